#include "redis/record.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define RECORD_VERSION 2

/* On disk: version, flags, three digests. */
struct record_block {
	uint8_t version;
	uint8_t has_served;
	uint8_t has_applied;
	uint8_t owed;
	uint8_t served[32];
	uint8_t key_sha256[32];
	uint8_t ca_sha256[32];
};

/* An address may hold what a key may not; its digest does not. */
static void key_of(const char *server, char *buf, size_t size)
{
	uint8_t d[32] = {0};

	EVP_Digest(server, strlen(server), d, NULL, EVP_sha256(), NULL);
	snprintf(buf, size, "server-%02x%02x%02x%02x%02x%02x%02x%02x", d[0], d[1], d[2], d[3], d[4],
		 d[5], d[6], d[7]);
}

void record_load(const struct hc_host *host, hc_ctx *ctx, const char *server, struct record *ret)
{
	struct record_block block;
	char key[32];

	*ret = (struct record){.has_served = false};
	key_of(server, key, sizeof(key));
	if (host->state_get(ctx, key, &block, sizeof(block)) != (int64_t)sizeof(block) ||
	    block.version != RECORD_VERSION)
		return;
	ret->has_served = block.has_served == 1;
	ret->has_applied = block.has_applied == 1;
	ret->owed = block.owed;
	memcpy(ret->served, block.served, 32);
	memcpy(ret->key_sha256, block.key_sha256, 32);
	memcpy(ret->ca_sha256, block.ca_sha256, 32);
}

int record_save(const struct hc_host *host, hc_ctx *ctx, const char *server,
		const struct record *record)
{
	struct record_block block = {
		.version = RECORD_VERSION,
		.has_served = record->has_served,
		.has_applied = record->has_applied,
		.owed = record->owed,
	};
	char key[32];

	memcpy(block.served, record->served, 32);
	memcpy(block.key_sha256, record->key_sha256, 32);
	memcpy(block.ca_sha256, record->ca_sha256, 32);
	key_of(server, key, sizeof(key));
	return host->state_set(ctx, key, &block, sizeof(block));
}
