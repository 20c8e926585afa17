#include "redis/record.h"

#include "common/mem.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_VERSION 3
#define PAGE_ENTRIES 32 /* a value of the state has 4 KiB at the most */

/* On disk. An address may be of any length; its digest is not. */
struct entry {
	uint8_t server[8];
	uint8_t version;
	uint8_t has_served;
	uint8_t has_applied;
	uint8_t owed;
	uint8_t served[32];
	uint8_t key_sha256[32];
	uint8_t ca_sha256[32];
};

struct page {
	struct entry entries[PAGE_ENTRIES];
	uint32_t n;
	bool changed;
};

struct record_book {
	const struct hc_host *host;
	hc_ctx *ctx;
	struct page *pages;
	uint32_t n;
};

static void page_key(uint32_t i, char key[24])
{
	snprintf(key, 24, "servers-%u", i);
}

static struct page *add_page(struct record_book *book)
{
	struct page *pages = reallocarray(book->pages, book->n + 1, sizeof(*pages));

	if (!pages)
		return NULL;
	book->pages = pages;
	pages[book->n] = (struct page){.n = 0};
	return &pages[book->n++];
}

/* False: there is no such page, or no more memory. */
static bool load_page(struct record_book *book)
{
	struct entry entries[PAGE_ENTRIES];
	struct page *page;
	char key[24];
	int64_t len;

	page_key(book->n, key);
	len = book->host->state_get(book->ctx, key, entries, sizeof(entries));
	if (len <= 0 || len > (int64_t)sizeof(entries) || len % (int64_t)sizeof(*entries) != 0)
		return false;
	page = add_page(book);
	if (!page)
		return false;
	memcpy(page->entries, entries, (size_t)len);
	page->n = (uint32_t)((size_t)len / sizeof(*entries));
	return true;
}

struct record_book *record_book_load(const struct hc_host *host, hc_ctx *ctx)
{
	struct record_book *book = calloc(1, sizeof(*book));

	if (!book)
		return NULL;
	book->host = host;
	book->ctx = ctx;
	while (load_page(book))
		continue;
	return book;
}

void record_book_destroy(struct record_book *book)
{
	if (!book)
		return;
	free(book->pages);
	free(book);
}

static void digest_of(const char *server, uint8_t ret[8])
{
	uint8_t d[32] = {0};

	EVP_Digest(server, strlen(server), d, NULL, EVP_sha256(), NULL);
	memcpy(ret, d, 8);
}

/* *ret_page: where it is. */
static struct entry *find(const struct record_book *book, const uint8_t server[8],
			  struct page **ret_page)
{
	for (uint32_t i = 0; i < book->n; i++) {
		struct page *page = &book->pages[i];

		for (uint32_t k = 0; k < page->n; k++) {
			if (memcmp(page->entries[k].server, server, 8) != 0)
				continue;
			*ret_page = page;
			return &page->entries[k];
		}
	}
	return NULL;
}

void record_find(const struct record_book *book, const char *server, struct record *ret)
{
	const struct entry *entry;
	struct page *page;
	uint8_t digest[8];

	*ret = (struct record){.has_served = false};
	digest_of(server, digest);
	entry = find(book, digest, &page);
	if (!entry || entry->version != RECORD_VERSION)
		return;
	ret->has_served = entry->has_served == 1;
	ret->has_applied = entry->has_applied == 1;
	ret->owed = entry->owed;
	memcpy(ret->served, entry->served, 32);
	memcpy(ret->key_sha256, entry->key_sha256, 32);
	memcpy(ret->ca_sha256, entry->ca_sha256, 32);
}

static struct entry *add_entry(struct record_book *book, struct page **ret_page)
{
	struct page *last = book->n ? &book->pages[book->n - 1] : NULL;

	if (!last || last->n == PAGE_ENTRIES)
		last = add_page(book);
	if (!last)
		return NULL;
	*ret_page = last;
	return &last->entries[last->n++];
}

int record_put(struct record_book *book, const char *server, const struct record *record)
{
	struct entry *entry;
	struct page *page;
	uint8_t digest[8];

	digest_of(server, digest);
	entry = find(book, digest, &page);
	if (!entry)
		entry = add_entry(book, &page);
	if (!entry)
		return -ENOMEM;
	*entry = (struct entry){
		.version = RECORD_VERSION,
		.has_served = record->has_served,
		.has_applied = record->has_applied,
		.owed = record->owed,
	};
	memcpy(entry->server, digest, 8);
	memcpy(entry->served, record->served, 32);
	memcpy(entry->key_sha256, record->key_sha256, 32);
	memcpy(entry->ca_sha256, record->ca_sha256, 32);
	page->changed = true;
	return 0;
}

static int first_changed(const struct record_book *book)
{
	for (uint32_t i = 0; i < book->n; i++)
		if (book->pages[i].changed)
			return (int)i;
	return -1;
}

int record_flush(struct record_book *book)
{
	int i = first_changed(book), r;
	struct page *page;
	char key[24];

	if (i < 0)
		return 0;
	page = &book->pages[i];
	page_key((uint32_t)i, key);
	r = book->host->state_set(book->ctx, key, page->entries, page->n * sizeof(*page->entries));
	if (r < 0)
		return r;
	page->changed = false;
	return first_changed(book) >= 0;
}
