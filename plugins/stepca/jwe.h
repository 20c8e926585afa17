/*
 * stepca/jwe - the encrypted key of a JWK provisioner: compact JWE (RFC 7516) by password
 *
 * PBES2-HS256+A128KW (RFC 7518 section 4.8) with A128GCM or A256GCM. The derivation of 100,000 to
 * 600,000 rounds that step uses takes up to half a second: call jwe_open() from a thread.
 */
#ifndef HC_STEPCA_JWE_H
#define HC_STEPCA_JWE_H

#include <stddef.h>
#include <stdint.h>

/* Most rounds that we are ready to do; RFC 8725 section 3.12 asks for a bound. */
#define JWE_ROUNDS_MAX 4000000

/*
 * Decrypts. 0 and the plaintext, which a NUL byte follows: wipe it, free with free(3).
 * -EINVAL: no JWE of five parts; -ENOTSUP: other algorithms, or too many rounds; -EACCES: wrong
 * password, or the text was changed; -ENOMEM. Touches nothing shared.
 */
int jwe_open(const char *text, const char *password, uint8_t **ret, size_t *ret_len);

#endif
