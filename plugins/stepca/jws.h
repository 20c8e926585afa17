/*
 * stepca/jws - compact JSON Web Signatures (RFC 7515) with the algorithms of RFC 7518 and RFC 8037
 */
#ifndef HC_STEPCA_JWS_H
#define HC_STEPCA_JWS_H

#include <jansson.h>
#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The algorithm a key signs with where nothing else is asked: ES256, ES384, ES512, RS256 or EdDSA.
 * NULL: no key of a kind that we know.
 */
const char *jws_algorithm(const EVP_PKEY *key);

/*
 * Signs: BASE64URL(header) . BASE64URL(payload) . BASE64URL(signature). The header must carry
 * "alg", which names the algorithm. -EINVAL: the key does not fit it, or nobody knows it;
 * -ENOMEM. Free *ret with free(3).
 */
int jws_sign(EVP_PKEY *key, const json_t *header, const json_t *payload, char **ret);

/* The same with any text as the payload, also none: "" (RFC 8555 section 6.3). */
int jws_sign_text(EVP_PKEY *key, const json_t *header, const char *payload, char **ret);

/*
 * The same with HS256, a secret that both sides know (RFC 7518 section 3.2), as its key. -EINVAL:
 * the header asks for something else; -ENOMEM.
 */
int jws_mac(const uint8_t *secret, size_t secret_len, const json_t *header, const char *payload,
	    char **ret);

#endif
