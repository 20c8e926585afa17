#include "trust/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pem.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

void listing_finish(struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		free(listing->list[i].name);
	free(listing->list);
	*listing = (struct listing){0};
}

void listing_begin(struct listing *listing, const char *path)
{
	listing_finish(listing);
	listing->complete = stat(path, &listing->file) < 0 && errno == ENOENT;
}

bool listing_is_current(const struct listing *listing, const char *path)
{
	const struct stat *was = &listing->file;
	struct stat is = {0};

	if (!listing->complete || (stat(path, &is) < 0 && errno != ENOENT))
		return false;
	return is.st_dev == was->st_dev && is.st_ino == was->st_ino && is.st_size == was->st_size &&
	       is.st_mtim.tv_sec == was->st_mtim.tv_sec &&
	       is.st_mtim.tv_nsec == was->st_mtim.tv_nsec &&
	       is.st_ctim.tv_sec == was->st_ctim.tv_sec &&
	       is.st_ctim.tv_nsec == was->st_ctim.tv_nsec;
}

int listing_add(struct listing *listing, const char *name, bool trusted,
		const uint8_t fingerprint[32])
{
	struct listed *list = realloc(listing->list, (listing->n + 1) * sizeof(*list));
	struct listed *one;

	if (!list)
		return -ENOMEM;
	listing->list = list;
	one = &list[listing->n];
	*one = (struct listed){.name = strdup(name), .trusted = trusted};
	if (!one->name)
		return -ENOMEM;
	memcpy(one->fingerprint, fingerprint, 32);
	listing->n++;
	return 0;
}

const struct listed *listing_find(const struct listing *listing, const uint8_t fingerprint[32])
{
	for (size_t i = 0; i < listing->n; i++)
		if (memcmp(listing->list[i].fingerprint, fingerprint, 32) == 0)
			return &listing->list[i];
	return NULL;
}

static bool is_of(const struct name_parts *parts, const char *instance, bool folds)
{
	if (!folds)
		return name_is_of(parts, instance);
	return strlen(instance) == parts->instance_len &&
	       strncasecmp(parts->instance, instance, parts->instance_len) == 0;
}

static int note_ours(const struct listed *one, const struct name_parts *parts,
		     struct inventory *inventory)
{
	bool same = memcmp(one->fingerprint, parts->fingerprint, sizeof(parts->fingerprint)) == 0;

	if (same && one->trusted)
		return inventory_own(inventory, one->fingerprint, one->name);
	return inventory_own_damaged(inventory, parts, one->name);
}

int listing_note(const struct listing *listing, const char *instance, bool folds,
		 struct inventory *inventory)
{
	struct name_parts parts;
	int r = 0;

	for (size_t i = 0; r == 0 && i < listing->n; i++) {
		const struct listed *one = &listing->list[i];
		bool is_hotcerts = name_parse(one->name, "", &parts);

		if (is_hotcerts && is_of(&parts, instance, folds))
			r = note_ours(one, &parts, inventory);
		else if (is_hotcerts)
			inventory_note_others(inventory, &parts);
		if (one->trusted)
			inventory_note_live(inventory, NULL, 0, one->fingerprint);
	}
	return r;
}

/* ---- a block of PEM, line by line ------------------------------------------------------------ */

void block_finish(struct block *block)
{
	free(block->text);
	*block = (struct block){0};
}

static void append(struct block *block, const char *line)
{
	size_t len = strlen(line);
	char *text = realloc(block->text, block->len + len + 2);

	if (!text) {
		block_finish(block);
		return;
	}
	block->text = text;
	memcpy(text + block->len, line, len);
	block->len += len;
	text[block->len++] = '\n';
	text[block->len] = '\0';
}

static void take_fingerprint(void *data, const uint8_t *der, size_t len,
			     const uint8_t fingerprint[32])
{
	(void)der;
	(void)len;
	memcpy(data, fingerprint, 32);
}

bool block_line(struct block *block, const char *line, uint8_t ret_fingerprint[32])
{
	bool whole;

	if (strncmp(line, BEGIN, strlen(BEGIN)) == 0)
		block_finish(block);
	else if (!block->text)
		return false;
	append(block, line);
	if (!block->text || strncmp(line, END, strlen(END)) != 0)
		return false;
	whole = pem_each(block->text, block->len, take_fingerprint, ret_fingerprint) == 1;
	block_finish(block);
	return whole;
}
