/*
 * stepca/chain - is what the CA sent what we asked for?
 */
#ifndef HC_STEPCA_CHAIN_H
#define HC_STEPCA_CHAIN_H

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>

/* What a chain must live up to. */
struct chain_demand {
	EVP_PKEY *key;		    /* the leaf's */
	const GENERAL_NAMES *names; /* the leaf must carry all of them; NULL: whatever it carries */
	X509_STORE *roots;	    /* the chain must lead to one of them */
	int64_t now_ms;		    /* and be valid now */
};

/* True where the chain, leaf first, is fit to be served; else why says in one line what is wrong.
 */
bool chain_check(const STACK_OF(X509) * chain, const struct chain_demand *demand, char *why,
		 size_t size);

/* The validity of a certificate in milliseconds since 1970. */
void chain_validity(const X509 *cert, int64_t *ret_not_before, int64_t *ret_not_after);

/* The serial number in lower-case hex, cut off where it does not fit. Returns ret. */
const char *chain_serial(const X509 *cert, char *ret, size_t size);

#endif
