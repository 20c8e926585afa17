/*
 * What the fuzz targets share that feed replies of a server
 */
#ifndef TESTS_FUZZ_REPLY_H
#define TESTS_FUZZ_REPLY_H

#include "common/http.h"

#include <assert.h>
#include <string.h>

static inline void is_one_line(const char *text)
{
	for (; *text; text++)
		assert((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* A reply 200 with this body, which must outlive it. */
static inline struct http_reply reply_of(const char *body)
{
	return (struct http_reply){.status = 200,
				   .error = "",
				   .body = body,
				   .len = strlen(body),
				   .location = "",
				   .nonce = ""};
}

#endif
