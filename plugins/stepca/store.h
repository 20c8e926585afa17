/*
 * stepca/store - puts keys and certificates in place so that a crash leaves a whole pair
 *
 * With the same key only the certificate is replaced, by one rename; where both are one file, that.
 * With a new key the certificate is staged beside the old one as .NAME.hotcert-next, the key is
 * replaced, and the staged certificate renamed over the old one. What a crash leaves in between,
 * store_roll_forward() ends. A directory that is laid out in generations (layout.h) gets a new one
 * each time.
 */
#ifndef HC_STEPCA_STORE_H
#define HC_STEPCA_STORE_H

#include "stepca/layout.h"
#include "stepca/options.h"
#include "stepca/pair.h"

struct store {
	const struct hc_host *host;
	hc_ctx *ctx;
	const struct options *options;
	char *cert; /* absolute paths behind all links, owned */
	char *key;
	char *ca; /* NULL: the watch has no such role */
	struct layout layout;
};

/*
 * Takes the paths out of a snapshot. -EINVAL: it has no cert or no key role; -EXDEV or -ELOOP: a
 * link leads out of the directory or in circles, *ret_bad is its path; -ENOMEM.
 */
int store_set_paths(struct store *store, const struct hc_snapshot *snapshot, const char **ret_bad);
void store_finish(struct store *store);

/* True where key and certificate are one file. */
bool store_is_combined(const struct store *store);

/* 0 where files can be made beside the certificate and the key, else a negative errno. */
int store_writable(const struct store *store);

/* pair_read() of the pair in place. Negative errno: out of memory, or no passphrase to be had. */
int store_read_pair(const struct store *store, struct pair *ret);

/* The key in place alone: key_read() or what store_read_pair() says. */
int store_read_key(const struct store *store, EVP_PKEY **ret_key);

/* What to put in place. */
struct store_pair {
	const EVP_PKEY *key;
	bool key_new;	 /* it is not the one in place */
	const char *pem; /* the chain */
};

/* Each puts files in place; negative errno: nothing was changed (but see the top for a new key). */
int store_write_key(const struct store *store, const EVP_PKEY *key);
int store_write_pair(const struct store *store, const struct store_pair *pair);
int store_write_ca(const struct store *store, const char *pem, size_t len);

/* Ends an interrupted change of key: 1 where it did, 0 where there was none, negative errno. */
int store_roll_forward(const struct store *store);

#endif
