/*
 * base/arena - memory that is taken piece by piece and given back as a whole
 */
#ifndef HC_BASE_ARENA_H
#define HC_BASE_ARENA_H

#include <stddef.h>

/* Zeroed is empty. */
struct arena {
	struct arena_chunk *chunks;
	char *next; /* free space in the newest chunk */
	char *end;
};

void arena_finish(struct arena *a);

/* Zeroed memory, aligned for any type. NULL: out of memory. */
void *arena_alloc(struct arena *a, size_t size);

/* Copies of n bytes and of a string, NUL-terminated. NULL: out of memory. */
char *arena_strndup(struct arena *a, const char *text, size_t n);
char *arena_strdup(struct arena *a, const char *text);

#endif
