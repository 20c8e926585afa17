/*
 * stepca/store - puts keys and certificates in place so that a crash leaves a whole pair
 *
 * With the same key only the certificate is replaced, by one rename. With a new key the certificate
 * is staged beside the old one as .NAME.hotcert-next, the key is replaced, and the staged
 * certificate renamed over the old one. What a crash leaves in between, store_roll_forward() ends.
 */
#ifndef HC_STEPCA_STORE_H
#define HC_STEPCA_STORE_H

#include "stepca/options.h"

struct store {
	const struct hc_host *host;
	hc_ctx *ctx;
	const struct options *options;
	char *cert; /* absolute paths, owned */
	char *key;
	char *ca; /* NULL: the watch has no such role */
};

/* Takes the paths out of a snapshot. -EINVAL: it has no cert or no key role; -ENOMEM. */
int store_set_paths(struct store *store, const struct hc_snapshot *snapshot);
void store_finish(struct store *store);

/* 0 where files can be made beside the certificate and the key, else a negative errno. */
int store_writable(const struct store *store);

/* Each puts files in place; negative errno: nothing was changed (but see the top for _pair). */
int store_write_key(const struct store *store, const EVP_PKEY *key);
int store_write_cert(const struct store *store, const char *pem);
int store_write_pair(const struct store *store, const EVP_PKEY *key, const char *pem);
int store_write_ca(const struct store *store, const char *pem, size_t len);

/* Ends an interrupted change of key: 1 where it did, 0 where there was none, negative errno. */
int store_roll_forward(const struct store *store);

#endif
