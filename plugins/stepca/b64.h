/*
 * stepca/b64 - base64url as JOSE uses it (RFC 7515 appendix C), and plain base64 for x5c headers
 */
#ifndef HC_STEPCA_B64_H
#define HC_STEPCA_B64_H

#include <stddef.h>
#include <stdint.h>

/* len bytes without padding, NUL-terminated; NULL: out of memory. Free with free(3). */
char *b64url_encode(const void *data, size_t len);

/* The same with the standard alphabet and padding (RFC 4648 section 4). */
char *b64_encode(const void *data, size_t len);

/*
 * Reads len characters of base64url. 0, -EINVAL (alphabet, padding, impossible length) or -ENOMEM.
 * A NUL byte follows the data. Free *ret with free(3).
 */
int b64url_decode(const char *text, size_t len, uint8_t **ret, size_t *ret_len);

#endif
