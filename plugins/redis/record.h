/*
 * redis/record - what the daemon remembers of a server across restarts
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

/* server is the address as configured. What cannot be read is as if it were not there. */
void record_load(const struct hc_host *host, hc_ctx *ctx, const char *server, struct record *ret);

/* Returns 0 or a negative errno. */
int record_save(const struct hc_host *host, hc_ctx *ctx, const char *server,
		const struct record *record);

#endif
