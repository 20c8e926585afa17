/*
 * base/arena - memory that is taken piece by piece and given back as a whole
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Chunks double from the first size to the last, so that small arenas stay small. */
#define CHUNK_MIN 256
#define CHUNK_MAX 65536

struct arena_chunk {
	struct arena_chunk *older;
	size_t size;
	max_align_t data[];
};

void arena_finish(struct arena *a)
{
	struct arena_chunk *chunk = a->chunks;

	while (chunk) {
		struct arena_chunk *older = chunk->older;

		free(chunk);
		chunk = older;
	}
	*a = (struct arena){0};
}

static int grow(struct arena *a, size_t need)
{
	size_t size = a->chunks ? a->chunks->size * 2 : CHUNK_MIN;
	struct arena_chunk *chunk;

	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	if (need > SIZE_MAX / 2)
		return -1;
	if (size < need + sizeof(*chunk))
		size = need + sizeof(*chunk);
	chunk = malloc(size);
	if (!chunk)
		return -1;
	chunk->older = a->chunks;
	chunk->size = size;
	a->chunks = chunk;
	a->next = (char *)chunk->data;
	a->end = (char *)chunk + size;
	return 0;
}

/* n bytes at a multiple of align, which is a power of two. */
static void *take(struct arena *a, size_t n, size_t align)
{
	size_t pad = -(uintptr_t)a->next & (align - 1);
	char *p;

	if (!a->chunks || (size_t)(a->end - a->next) < pad ||
	    (size_t)(a->end - a->next) - pad < n) {
		if (grow(a, n) < 0)
			return NULL;
		pad = 0;
	}
	p = a->next + pad;
	a->next = p + n;
	return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
	void *p = take(a, size, _Alignof(max_align_t));

	return p ? memset(p, 0, size) : NULL;
}

char *arena_strndup(struct arena *a, const char *text, size_t n)
{
	char *p = n < SIZE_MAX ? take(a, n + 1, 1) : NULL;

	if (!p)
		return NULL;
	memcpy(p, text, n);
	p[n] = '\0';
	return p;
}

char *arena_strdup(struct arena *a, const char *text)
{
	return arena_strndup(a, text, strlen(text));
}
