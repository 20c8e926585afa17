/*
 * common/tail - the last lines that a program wrote, for the log and for a job's text
 */
#ifndef HC_COMMON_TAIL_H
#define HC_COMMON_TAIL_H

#include <stddef.h>

#define TAIL_LINES 8
#define TAIL_WIDTH 256 /* bytes a line, its NUL byte included */

/* Zeroed is empty. Bounded: older lines and the ends of long ones are forgotten. */
struct tail {
	size_t n; /* lines added so far; those kept are the last TAIL_LINES of them */
	char lines[TAIL_LINES][TAIL_WIDTH];
};

/* Adds one line without its newline, cut at a UTF-8 character where it is long. Blank ones are
 * skipped. */
void tail_add(struct tail *tail, const char *line);

/* How many lines are kept, and the i-th of them, the oldest first; i < tail_count(). */
size_t tail_count(const struct tail *tail);
const char *tail_get(const struct tail *tail, size_t i);

/* The last line, or "" where there is none. */
const char *tail_last(const struct tail *tail);

#endif
