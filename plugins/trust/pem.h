/*
 * trust/pem - certificates in PEM text (RFC 7468), without looking into them
 */
#ifndef HC_TRUST_PEM_H
#define HC_TRUST_PEM_H

#include <stddef.h>
#include <stdint.h>

#define PEM_FINGERPRINT 32 /* bytes of SHA-256 over the DER encoding */

/* One certificate: its DER encoding, valid during the call, and its fingerprint. */
typedef void (*pem_fn)(void *data, const uint8_t *der, size_t len,
		       const uint8_t fingerprint[PEM_FINGERPRINT]);

/* Calls fn for each certificate in text; what stands between them, and blocks that are torn or of
 * another kind, are passed over. Returns their number, or -ENOMEM. */
int pem_each(const char *text, size_t len, pem_fn fn, void *data);

/* DER as one PEM block, NUL-terminated; NULL: out of memory. Free with free(3). */
char *pem_encode(const uint8_t *der, size_t len);

#endif
