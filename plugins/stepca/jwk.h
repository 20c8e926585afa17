/*
 * stepca/jwk - private JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037)
 */
#ifndef HC_STEPCA_JWK_H
#define HC_STEPCA_JWK_H

#include <jansson.h>
#include <openssl/types.h>

/*
 * A private key out of its JWK: EC on P-256, P-384 and P-521, RSA with its primes, OKP Ed25519.
 * -EINVAL: something is missing or does not fit together; -ENOTSUP: another kind of key;
 * -ENOMEM. Free with EVP_PKEY_free().
 */
int jwk_private(const json_t *jwk, EVP_PKEY **ret_key);

/*
 * The public JWK of an EC key on P-256 (RFC 7518 section 6.2.1). NULL: another key, or out of
 * memory. Free with json_decref().
 */
json_t *jwk_public_p256(const EVP_PKEY *key);

/*
 * Thumbprint of a public or private JWK (RFC 7638): SHA-256 in base64url. NULL: a member is
 * missing, or out of memory. Free with free(3).
 */
char *jwk_thumbprint(const json_t *jwk);

#endif
