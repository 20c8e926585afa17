/*
 * tests/unit/stepca/make - certificates for tests, made on the spot; aborts where that fails
 */
#ifndef HC_TESTS_STEPCA_MAKE_H
#define HC_TESTS_STEPCA_MAKE_H

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct make_cert {
	const char *subject;
	EVP_PKEY *key;
	X509 *issuer; /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	const char *sans; /* as in x509v3_config(5); NULL: none */
	bool ca;
	time_t from; /* seconds since 1970 */
	time_t to;
};

static inline void make_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert(extension && X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

/* Free with X509_free(). */
static inline X509 *make_cert(const struct make_cert *how)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	time_t from = how->from, to = how->to;

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 0x1267);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)how->subject,
				   -1, -1, 0);
	X509_set_issuer_name(cert, how->issuer ? X509_get_subject_name(how->issuer) : name);
	X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &from);
	X509_time_adj_ex(X509_getm_notAfter(cert), 0, 0, &to);
	X509_set_pubkey(cert, how->key);
	make_extension(cert, NID_basic_constraints, how->ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (how->sans)
		make_extension(cert, NID_subject_alt_name, how->sans);
	assert(X509_sign(cert, how->issuer_key ? how->issuer_key : how->key, EVP_sha256()) > 0);
	return cert;
}

#endif
