/*
 * trust/listing - what a program says is in a store, kept for as long as the store's file is the
 * same
 */
#ifndef HC_TRUST_LISTING_H
#define HC_TRUST_LISTING_H

#include <stdio.h>
#include <sys/stat.h>

#include "trust/store.h"

struct listed {
	char *name;
	bool trusted; /* as an issuer of servers' certificates */
	uint8_t fingerprint[32];
};

/* Zeroed is empty and not current. */
struct listing {
	struct listed *list;
	size_t n;
	bool complete;
	struct stat file; /* as it was before the program ran; zeros: not there */
};

void listing_finish(struct listing *listing);
/* Begins anew for a file. It is empty and complete where there is none. */
void listing_begin(struct listing *listing, const char *path);
/* True where it is complete and the file has not changed since. */
bool listing_is_current(const struct listing *listing, const char *path);
/* 0 or -ENOMEM. */
int listing_add(struct listing *listing, const char *name, bool trusted,
		const uint8_t fingerprint[32]);
/* Whose name it has; NULL: not in the store. */
const struct listed *listing_find(const struct listing *listing, const uint8_t fingerprint[32]);

/* Notes all of it in an inventory. folds: the store has made names lower case. 0 or -ENOMEM. */
int listing_note(const struct listing *listing, const char *instance, bool folds,
		 struct inventory *inventory);

/* The PEM block that a program is printing. Zeroed is none. */
struct block {
	char *text;
	size_t len;
};

/* Takes a line; true where a certificate is whole: its fingerprint. */
bool block_line(struct block *block, const char *line, uint8_t ret_fingerprint[32]);
void block_finish(struct block *block);

#endif
