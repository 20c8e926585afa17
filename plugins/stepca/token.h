/*
 * stepca/token - the tokens step-ca takes: one-time tokens and the bearer of a renewal
 */
#ifndef HC_STEPCA_TOKEN_H
#define HC_STEPCA_TOKEN_H

#include <jansson.h>
#include <openssl/x509v3.h>
#include <stdint.h>

/* What a one-time token of a JWK or X5C provisioner says. */
struct token_claims {
	const char *algorithm;	      /* the provisioner key's "alg"; NULL: by the key */
	const char *kid;	      /* the provisioner key's, as the CA tells it */
	const STACK_OF(X509) * chain; /* X5C: of the key that signs; NULL: JWK, by kid */
	const char *issuer;	      /* the provisioner's name */
	const char *audience;	      /* https://HOST/1.0/sign, with X5C #x5c/NAME behind it */
	const char *subject;	      /* common name; of a revocation the serial number, decimal */
	const char *root;	      /* SHA-256 of the root, hex */
	const char *confirmation;     /* csr_confirmation(); NULL: bound to no request */
	const GENERAL_NAMES *names;   /* NULL: none */
	const json_t *user;	      /* for the provisioner's template; NULL: nothing */
	int64_t now_ms;		      /* wall clock */
};

/*
 * A token for one attempt, valid for five minutes, signed by the provisioner's key, or that of
 * the X5C chain. -EINVAL: the
 * key does not fit the algorithm; -ENOMEM. Wipe *ret, free it with free(3).
 */
int token_one_time(EVP_PKEY *key, const struct token_claims *claims, char **ret);

/*
 * The bearer token of POST /renew: signed by the certificate's own key, its chain in the header
 * "x5cInsecure", for certificates that mTLS cannot show. Errors as above.
 */
int token_renewal(EVP_PKEY *key, const STACK_OF(X509) * chain, const char *audience, int64_t now_ms,
		  char **ret);

#endif
