/*
 * base/table - intrusive hash table: the caller hashes and compares, the table grows by itself
 */
#ifndef HC_BASE_TABLE_H
#define HC_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_entry {
	struct table_entry *next;
	uint64_t hash;
};

/* Zeroed is empty. */
struct table {
	struct table_entry **buckets;
	size_t n_buckets; /* a power of two, or 0 */
	size_t n;
};

/* Frees the buckets, not the entries. */
void table_finish(struct table *t);

/* Makes room for n entries, so that adding them cannot fail. 0 or -ENOMEM. */
int table_reserve(struct table *t, size_t n);

/* Adds an entry with its hash set. 0 or -ENOMEM. */
int table_add(struct table *t, struct table_entry *e);
void table_remove(struct table *t, struct table_entry *e);

/* The first entry of that hash; next_same goes on from there. NULL: none. */
struct table_entry *table_first(const struct table *t, uint64_t hash);
struct table_entry *table_next_same(const struct table_entry *e);

/* Any entry, to empty a table with; NULL where there is none. */
struct table_entry *table_any(const struct table *t);

uint64_t table_hash(uint64_t seed, const void *data, size_t len); /* FNV-1a */
uint64_t table_hash_u64(uint64_t x);				  /* a bijection: no false hits */

#endif
