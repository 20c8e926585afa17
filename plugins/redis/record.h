/*
 * redis/record - what the daemon remembers of its servers across restarts
 */
#ifndef HC_REDIS_RECORD_H
#define HC_REDIS_RECORD_H

#include <hotcert/plugin.h>
#include <stdbool.h>
#include <stdint.h>

struct record {
	bool has_served;
	uint8_t served[32]; /* SHA-256 of the leaf that it was last seen to serve, proven or
			       verified */
	bool has_applied;
	uint8_t key_sha256[32]; /* of the key and CA files that it last loaded: no handshake shows
				   them */
	uint8_t ca_sha256[32];
	uint8_t owed; /* RECORD_OWES_*: what is to follow on what was loaded */
};

enum {
	RECORD_OWES_KILL = 1,
	RECORD_OWES_REWRITE = 2,
};

/* The records of an instance's servers, in pages: a page is a value of the state, so one fsync. */
struct record_book;

/* Reads what was saved. What cannot be read is as if it were not there. NULL: out of memory. */
struct record_book *record_book_load(const struct hc_host *host, hc_ctx *ctx);
void record_book_destroy(struct record_book *book); /* writes nothing; takes NULL */

/* server is the address as configured. All zero where there is no record of it. */
void record_find(const struct record_book *book, const char *server, struct record *ret);

/* Puts a record into the book: 0 or -ENOMEM. */
int record_put(struct record_book *book, const char *server, const struct record *record);

/* Writes one page that has changed: 1: there are more; 0: that was all; or what failed, and
 * then it is still to be written. */
int record_flush(struct record_book *book);

#endif
