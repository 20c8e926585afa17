/*
 * base/str - growing strings and small string helpers
 */
#ifndef HC_BASE_STR_H
#define HC_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing string. Zeroed is empty. Out of memory sets failed and keeps what is there. */
struct str {
	char *data; /* NULL or NUL-terminated */
	size_t len;
	size_t size;
	bool failed;
};

void str_finish(struct str *s);

/* Appends n bytes, a string, or formatted text. */
void str_add_n(struct str *s, const char *data, size_t n);
void str_add(struct str *s, const char *text);
void str_addf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_addv(struct str *s, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Empties it, keeping the memory. */
void str_clear(struct str *s);

/* Gives the text away (free with free(3)), "" included; NULL where memory ran out. */
char *str_take(struct str *s);

/* The text, never NULL. */
const char *str_get(const struct str *s);

/* A new string by format, or NULL: out of memory. Free with free(3). */
char *str_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* n bytes as lower-case hex into out, which holds 2 * n + 1. */
void str_hex(char *out, const uint8_t *data, size_t n);

/* True where n bytes are well-formed UTF-8 (RFC 3629). */
bool str_is_utf8(const char *data, size_t n);

/* The word nearest to `word` among n candidates by edit distance, for "did you mean"; NULL where
 * none is close. */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);

/* Whether a name matches one of n fnmatch(3) patterns; a leading dot must be spelled out. */
bool str_matches(const char *name, char *const *patterns, size_t n);

#endif
