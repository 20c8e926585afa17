/*
 * common/text - text for people: one line, printable, with times in UTC
 */
#ifndef HC_COMMON_TEXT_H
#define HC_COMMON_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_TIME_SIZE 32

/*
 * Copies what a stranger sent as one printable line: runs of white space and control characters
 * become a space, what does not fit is cut off with "...". ret holds size bytes, 4 or more.
 */
void text_clean(const char *text, size_t len, char *ret, size_t size);

/* Milliseconds since 1970 as "2026-11-24T03:33:55Z" (RFC 3339). Returns ret. */
const char *text_time(int64_t at_ms, char ret[static TEXT_TIME_SIZE]);

/* A length of time by its two largest units: "2h 5m", "41s", "0s". Returns ret. */
const char *text_duration(int64_t ms, char ret[static TEXT_TIME_SIZE]);

#endif
