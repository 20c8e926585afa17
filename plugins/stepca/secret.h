/*
 * stepca/secret - a secret of the configuration, read when it is needed and wiped after it
 */
#ifndef HC_STEPCA_SECRET_H
#define HC_STEPCA_SECRET_H

#include "common/mem.h"

#include <hotcert/plugin.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <string.h>

struct secret {
	char text[16384];
	bool there; /* the key is set */
};

static inline void secret_finish(struct secret *secret)
{
	OPENSSL_cleanse(secret, sizeof(*secret));
}

#define cleanup_wiped cleanup_with(secret_finish)

/* Reads the file that an HC_OPT_SECRET names; none is fine. Negative errno: it can't be read. */
static inline int secret_read(struct secret *secret, const struct hc_host *host, hc_ctx *ctx,
			      const char *key)
{
	int64_t len = 0;

	secret->there = host->opt_string(ctx, key) != NULL;
	if (secret->there)
		len = host->secret_read(ctx, key, secret->text, sizeof(secret->text));
	return len < 0 ? (int)len : 0;
}

/* NULL where there is none. */
static inline const char *secret_text(const struct secret *secret)
{
	return secret->there ? secret->text : NULL;
}

/* For strings on the heap that are secrets: `cleanup_secret char *token`. */
static inline void secret_freep(char **text)
{
	if (*text)
		OPENSSL_cleanse(*text, strlen(*text));
	free(*text);
}

#define cleanup_secret cleanup_with(secret_freep)

#endif
