/*
 * model/certificate - PEM files of certificates and keys, and whether they belong together
 */
#ifndef HC_MODEL_CERTIFICATE_H
#define HC_MODEL_CERTIFICATE_H

#include <hotcert/plugin.h>
#include <openssl/types.h>
#include <stddef.h>

/*
 * The certificates of a PEM file in its order. Returns 0, or 1 with a one-line reason in why (what
 * is wrong and what to do) where the bytes are not a sequence of whole certificates: empty,
 * truncated, DER, no certificate, trailing garbage inside a block. Free with
 * certificate_free_all().
 */
int certificate_parse(const char *pem, size_t len, X509 ***ret_certs, size_t *ret_n, char *why,
		      size_t why_size);
void certificate_free_all(X509 **certs, size_t n);

/* 0 where each certificate was issued by the next (RFC 5246 7.4.2, RFC 8446 4.4.2), else 1 and why.
 */
int certificate_check_order(X509 *const *certs, size_t n, char *why, size_t why_size);

/*
 * 0 where the PEM private key is the certificate's, else 1 and why. password may be NULL: an
 * encrypted key is then refused with a hint at key_password_file. Key material is wiped before it
 * returns.
 */
int certificate_check_key(X509 *leaf, const char *pem, size_t len, const char *password, char *why,
			  size_t why_size);

#endif
