/*
 * redis/wanted - what a server shall serve: the part of a snapshot that outlives its job
 */
#ifndef HC_REDIS_WANTED_H
#define HC_REDIS_WANTED_H

#include "common/tls.h"
#include "redis/path_map.h"

#include <hotcert/plugin.h>
#include <stdbool.h>

/* A watched file, and what the server calls it: the same, but for path_map. */
struct wanted_path {
	char *ours, *theirs; /* absolute; NULL: the watch has no such file */
};

/* When all certificates of a file are valid, and whose end comes first. */
struct wanted_dates {
	int64_t not_before, not_after; /* milliseconds since 1970 */
	char subject[128];
};

struct wanted {
	struct wanted_path cert, key, ca;
	struct tls_chain chain; /* of the certificate file */
	struct wanted_dates chain_dates, ca_dates;
	uint8_t key_sha256[32]; /* of the files' bytes */
	uint8_t ca_sha256[32];	/* zero: none */
	uint32_t key_mode, key_uid;
	char *pem; /* the certificate file */
	size_t pem_len;
};

/* The file with that role, or NULL. */
const struct hc_file *wanted_file(const struct hc_snapshot *snapshot, const char *role);

/*
 * Copies what counts. Returns 0, -ENOMEM, or -EINVAL with *ret_why a constant text where the
 * snapshot has no pair.
 */
int wanted_create(const struct hc_snapshot *snapshot, const struct path_map *map,
		  struct wanted **ret_wanted, const char **ret_why);
void wanted_destroy(struct wanted *wanted); /* takes NULL */

/* Whether both ask the same of a server. */
bool wanted_equal(const struct wanted *a, const struct wanted *b);

/*
 * Whether a client with this context would accept a server that serves the file under that name: 0,
 * or -EINVAL with a one-line reason in why, or -ENOMEM.
 */
int wanted_check(const struct wanted *wanted, SSL_CTX *context, const char *name, char *why,
		 size_t why_size);

/*
 * Whether the served chain is the file's. A file with a leaf alone says nothing of the rest:
 * OpenSSL then adds what it finds in the server's CA file (SSL_CTX_add_extra_chain_cert(3),
 * SSL_MODE_NO_AUTO_CHAIN).
 */
bool wanted_is_served(const struct wanted *wanted, const struct tls_chain *served);

/* "3f2a901c… until 2026-11-25 03:21:07 UTC"; buf of 48 bytes or more. */
void wanted_chain_format(const struct tls_chain *chain, char *buf, size_t size);

#endif
