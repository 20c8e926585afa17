/*
 * stepca/csr - certificate signing requests (RFC 2986)
 */
#ifndef HC_STEPCA_CSR_H
#define HC_STEPCA_CSR_H

#include <openssl/types.h>
#include <openssl/x509v3.h>

/*
 * A request signed by key, with the subject as common name (none where it is NULL or longer than
 * the 64 characters of RFC 5280 appendix A.1; step-ca takes the name from the token then) and the
 * names as subjectAltName. NULL: out of memory. Free with X509_REQ_free().
 */
X509_REQ *csr_create(EVP_PKEY *key, const char *subject, const GENERAL_NAMES *names);

/* PEM, NUL-terminated; NULL: out of memory. Free with free(3). */
char *csr_to_pem(const X509_REQ *csr);

/* SHA-256 over DER in base64url: the "x5rt#S256" that binds a token to it. Free with free(3). */
char *csr_confirmation(const X509_REQ *csr);

#endif
