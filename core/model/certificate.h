/*
 * model/certificate - PEM files of certificates and keys, and whether they belong together
 *
 * A `why` is one line without a path: what is wrong and what to do. OpenSSL's error queue is empty
 * after each call.
 */
#ifndef HC_MODEL_CERTIFICATE_H
#define HC_MODEL_CERTIFICATE_H

#include "base/str.h"

#include <hotcert/plugin.h>
#include <openssl/types.h>
#include <stddef.h>

/*
 * The certificates of a PEM file in its order; blocks of other kinds are skipped. Returns 0, 1 with
 * a reason in why where the bytes are not a sequence of whole certificates (empty, truncated, DER,
 * no certificate, trailing garbage inside a block), or -ENOMEM. Free with certificate_free_all().
 */
int certificate_parse(const char *pem, size_t len, X509 ***ret_certs, size_t *ret_n, char *why,
		      size_t why_size);
void certificate_free_all(X509 **certs, size_t n);

/* True where the bytes are one certificate in DER. */
bool certificate_is_der(const char *data, size_t len);

/*
 * 0 where each certificate was issued by the next (RFC 5246 7.4.2, RFC 8446 4.4.2), else 1 and why.
 * The signature is checked where no key identifier (RFC 5280 4.2.1.1) ties the two together.
 */
int certificate_check_order(X509 *const *certs, size_t n, char *why, size_t why_size);

/*
 * 0 where the first private key of the PEM bytes is the certificate's, else 1 and why. leaf may be
 * NULL: then any key that decodes will do. password may be NULL: an encrypted key is then refused
 * with a hint at key_password_file. Key material is wiped before it returns.
 */
int certificate_check_key(X509 *leaf, const char *pem, size_t len, const char *password, char *why,
			  size_t why_size);

/* The validity (RFC 5280 4.1.2.5) in milliseconds since 1970: 0, or -EINVAL where it is no date. */
int certificate_validity(const X509 *cert, int64_t *ret_not_before, int64_t *ret_not_after);

/*
 * What hc_cert says of a certificate, in two steps, so that the caller can lay all of it out in one
 * block. certificate_add_texts() appends, each with its NUL byte: subject, issuer, serial, each
 * SAN, and an empty string; it returns the number of SANs. certificate_describe() sets the members
 * that are not pointers, and n_sans not.
 */
uint32_t certificate_add_texts(const X509 *cert, struct str *texts);
void certificate_describe(X509 *cert, struct hc_cert *ret);

#endif
