/*
 * common/pem - certificates as PEM text, and their fingerprints
 */
#ifndef HC_COMMON_PEM_H
#define HC_COMMON_PEM_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#define PEM_FINGERPRINT_LEN 32

static inline void pem_freep(STACK_OF(X509) * *certs)
{
	sk_X509_pop_free(*certs, X509_free);
}

#define cleanup_certs cleanup_with(pem_freep)

/*
 * The certificates of a PEM text in its order; other blocks and text between them are passed over.
 * Returns their number (0: none, and *ret_certs is an empty stack), or -EBADMSG where a certificate
 * does not parse, or -ENOMEM. Free with sk_X509_pop_free(…, X509_free).
 */
int pem_parse_certs(const char *pem, size_t len, STACK_OF(X509) * *ret_certs);

/* One certificate of pem_each(): its DER form, valid during the call, and its fingerprint. */
typedef void (*pem_fn)(void *data, const uint8_t *der, size_t len,
		       const uint8_t fingerprint[PEM_FINGERPRINT_LEN]);

/*
 * Calls fn for each certificate of a text, without looking into it; blocks that are torn or of
 * another kind are passed over. Returns their number, or -ENOMEM.
 */
int pem_each(const char *text, size_t len, pem_fn fn, void *data);

/* The DER form of a certificate as PEM, NUL-terminated; NULL: out of memory. Free with free(3). */
char *pem_from_der(const uint8_t *der, size_t len);

/* PEM of certificates in their order, NUL-terminated; NULL: out of memory. Free with free(3). */
char *pem_from_certs(const STACK_OF(X509) * certs);

/* SHA-256 over the DER form: what step, browsers and openssl call the fingerprint. */
void pem_fingerprint(const X509 *cert, uint8_t ret[static PEM_FINGERPRINT_LEN]);

/* Reads a fingerprint of 64 hex digits, with colons, dashes or blanks anywhere. 0, or -EINVAL. */
int pem_parse_fingerprint(const char *text, uint8_t ret[static PEM_FINGERPRINT_LEN]);

/* Lower-case hex, without separators. */
void pem_format_fingerprint(const uint8_t fp[static PEM_FINGERPRINT_LEN], char ret[static 65]);

/* The certificate with this fingerprint, still owned by the stack; NULL: not there. */
X509 *pem_find_fingerprint(const STACK_OF(X509) * certs,
			   const uint8_t fp[static PEM_FINGERPRINT_LEN]);

/* A time of a certificate as milliseconds since 1970; INT64_MIN where it cannot be read. */
int64_t pem_time(const ASN1_TIME *at);

#endif
