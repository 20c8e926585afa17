#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

#define TABLE_MIN 16

void table_finish(struct table *t)
{
	free(t->buckets);
	*t = (struct table){0};
}

static void table_link(struct table *t, struct table_entry *e)
{
	struct table_entry **bucket = &t->buckets[e->hash & (t->n_buckets - 1)];

	e->next = *bucket;
	*bucket = e;
}

static int table_grow(struct table *t)
{
	struct table bigger = {.n_buckets = t->n_buckets ? t->n_buckets * 2 : TABLE_MIN, .n = t->n};

	bigger.buckets = calloc(bigger.n_buckets, sizeof(struct table_entry *));
	if (!bigger.buckets)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_buckets; i++) {
		struct table_entry *e, *next;

		for (e = t->buckets[i]; e; e = next) {
			next = e->next;
			table_link(&bigger, e);
		}
	}
	free(t->buckets);
	*t = bigger;
	return 0;
}

int table_reserve(struct table *t, size_t n)
{
	int r = 0;

	while (r == 0 && t->n_buckets < n)
		r = table_grow(t);
	return r;
}

int table_add(struct table *t, struct table_entry *e)
{
	if (t->n >= t->n_buckets) {
		int r = table_grow(t);

		if (r < 0 && !t->n_buckets)
			return r; /* a crowded table still works */
	}
	table_link(t, e);
	t->n++;
	return 0;
}

void table_remove(struct table *t, struct table_entry *e)
{
	struct table_entry **p = &t->buckets[e->hash & (t->n_buckets - 1)];

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	t->n--;
}

static struct table_entry *skip_to(struct table_entry *e, uint64_t hash)
{
	while (e && e->hash != hash)
		e = e->next;
	return e;
}

struct table_entry *table_first(const struct table *t, uint64_t hash)
{
	return t->n ? skip_to(t->buckets[hash & (t->n_buckets - 1)], hash) : NULL;
}

struct table_entry *table_next_same(const struct table_entry *e)
{
	return skip_to(e->next, e->hash);
}

struct table_entry *table_any(const struct table *t)
{
	for (size_t i = 0; i < t->n_buckets && t->n; i++)
		if (t->buckets[i])
			return t->buckets[i];
	return NULL;
}

uint64_t table_hash(uint64_t seed, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = seed ^ 0xcbf29ce484222325u;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3u;
	return h ^ (h >> 29);
}

/* The finalizer of splitmix64. */
uint64_t table_hash_u64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}
