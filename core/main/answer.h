/*
 * main/answer - one line of JSON (RFC 8259), written member by member
 *
 * Written straight into a string, because the status of ten thousand watches as a tree of objects
 * would take more memory than the daemon itself. Bytes that are not UTF-8 become U+FFFD.
 */
#ifndef HC_MAIN_ANSWER_H
#define HC_MAIN_ANSWER_H

#include "base/errors.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define ANSWER_DEPTH_MAX 8

/* Zeroed is empty. */
struct answer {
	struct str text;
	bool more; /* a member was written: the next needs a comma */
	char closers[ANSWER_DEPTH_MAX];
	unsigned depth;
};

void answer_finish(struct answer *a);

/* The answers' outermost object, with "ok" as its first member; and how one that failed looks. */
void answer_begin(struct answer *a, bool ok);
void answer_error(struct answer *a, const char *error); /* {"ok":false,"error":…} but for the end */

/* Closes what is still open and ends the line. */
void answer_end(struct answer *a);

/* key is NULL for the outermost object and inside an array. */
void answer_object(struct answer *a, const char *key);
void answer_array(struct answer *a, const char *key);
void answer_close(struct answer *a);

void answer_text(struct answer *a, const char *key, const char *value); /* NULL: null */
void answer_int(struct answer *a, const char *key, int64_t value);
void answer_bool(struct answer *a, const char *key, bool value);
/* Milliseconds since 1970; never (0, or INT64_MAX) is null. */
void answer_time(struct answer *a, const char *key, int64_t ms);
/* An array of all of them. */
void answer_errors(struct answer *a, const char *key, const struct errors *errors);

/* Appends a string with its quotes, escaped. */
void answer_quote(struct str *s, const char *text);

#endif
