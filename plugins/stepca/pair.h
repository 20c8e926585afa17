/*
 * stepca/pair - a certificate file and its key, read from disk just before they are used
 */
#ifndef HC_STEPCA_PAIR_H
#define HC_STEPCA_PAIR_H

#include <openssl/x509.h>

struct pair {
	STACK_OF(X509) * chain; /* leaf first; NULL: no certificate file that could be read */
	EVP_PKEY *key;		/* NULL: see key_error */
	int key_error;		/* of key_read(): 0 or negative errno */
};

enum {
	PAIR_WHOLE = 0,
	PAIR_BROKEN = 1, /* one of them is missing or unreadable, or they don't belong together */
};

/*
 * Reads both files, which may be one; password: of the key, may be NULL. PAIR_*, or -ENOMEM. What
 * can be read is in the pair even where it is broken.
 */
int pair_read(struct pair *pair, const char *cert_path, const char *key_path, const char *password);
void pair_finish(struct pair *pair);

/* The leaf, or NULL. */
X509 *pair_leaf(const struct pair *pair);

/*
 * Reads a file of at most 1 MiB as text. NULL with errno set where it can't. Free with free(3).
 * Blocks as long as a regular file does; others are refused.
 */
char *file_read(const char *path, size_t *ret_len);

#endif
