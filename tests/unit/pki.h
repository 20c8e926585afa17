/*
 * tests/unit/pki - keys, certificates and files for tests, made on the spot
 *
 * All of it aborts the test where it fails.
 */
#ifndef HC_TESTS_PKI_H
#define HC_TESTS_PKI_H

#include "base/str.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s failed\n", __FILE__, __LINE__, #x);             \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What a certificate says; zeroed members leave it out. Seconds since 1970. */
struct pki_spec {
	const char *subject; /* common name, UTF-8 */
	EVP_PKEY *key;
	X509 *issuer; /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	const char *sans; /* as in x509v3_config(5) */
	bool ca;
	bool no_key_ids;
	time_t from; /* 0: 2025-01-01 */
	time_t to;   /* 0: 2035-01-01 */
	long serial; /* 0: 4711 */
};

#define PKI_FROM 1735689600 /* 2025-01-01 00:00:00 UTC */
#define PKI_TO 2051222400   /* 2035-01-01 00:00:00 UTC */

/* "RSA", "ED25519", or an EC curve such as "P-256". */
static inline EVP_PKEY *pki_key(const char *type)
{
	EVP_PKEY *key;

	if (strcmp(type, "RSA") == 0)
		key = EVP_RSA_gen(2048);
	else if (strcmp(type, "ED25519") == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else
		key = EVP_EC_gen(type);
	MUST(key);
	return key;
}

static inline void pki_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	MUST(extension);
	MUST(X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
}

static inline void pki_extend_all(X509 *cert, X509 *issuer, const struct pki_spec *spec)
{
	pki_extend(cert, issuer, NID_basic_constraints,
		   spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (!spec->no_key_ids) {
		pki_extend(cert, issuer, NID_subject_key_identifier, "hash");
		pki_extend(cert, issuer, NID_authority_key_identifier, "keyid");
	}
	if (spec->sans)
		pki_extend(cert, issuer, NID_subject_alt_name, spec->sans);
}

static inline X509 *pki_cert(const struct pki_spec *spec)
{
	EVP_PKEY *signer = spec->issuer ? spec->issuer_key : spec->key;
	bool plain = EVP_PKEY_is_a(signer, "ED25519");
	X509 *cert = X509_new();
	X509 *issuer = spec->issuer ? spec->issuer : cert;
	X509_NAME *name;

	MUST(cert);
	MUST(X509_set_version(cert, X509_VERSION_3));
	MUST(ASN1_INTEGER_set(X509_get_serialNumber(cert), spec->serial ? spec->serial : 4711));
	MUST(ASN1_TIME_set(X509_getm_notBefore(cert), spec->from ? spec->from : PKI_FROM));
	MUST(ASN1_TIME_set(X509_getm_notAfter(cert), spec->to ? spec->to : PKI_TO));
	MUST(X509_set_pubkey(cert, spec->key));
	name = X509_get_subject_name(cert);
	MUST(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
					(const unsigned char *)spec->subject, -1, -1, 0));
	MUST(X509_set_issuer_name(cert, X509_get_subject_name(issuer)));
	pki_extend_all(cert, issuer, spec);
	MUST(X509_sign(cert, signer, plain ? NULL : EVP_sha256()));
	return cert;
}

/* Appends what a BIO gathered, and frees it. */
static inline void pki_take(struct str *out, BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	str_add_n(out, data, (size_t)len);
	BIO_free(bio);
}

static inline void pki_add_cert(struct str *out, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	MUST(PEM_write_bio_X509(bio, cert));
	pki_take(out, bio);
}

static inline void pki_add_cert_der(struct str *out, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	MUST(i2d_X509_bio(bio, cert));
	pki_take(out, bio);
}

/* PKCS #8; password may be NULL. */
static inline void pki_add_key(struct str *out, EVP_PKEY *key, const char *password)
{
	BIO *bio = BIO_new(BIO_s_mem());

	MUST(PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_128_cbc() : NULL, password,
					   password ? (int)strlen(password) : 0, NULL, NULL));
	pki_take(out, bio);
}

/* "EC PRIVATE KEY" and the like; password may be NULL. */
static inline void pki_add_key_traditional(struct str *out, EVP_PKEY *key, const char *password)
{
	BIO *bio = BIO_new(BIO_s_mem());

	MUST(PEM_write_bio_PrivateKey_traditional(
		bio, key, password ? EVP_aes_128_cbc() : NULL, (const unsigned char *)password,
		password ? (int)strlen(password) : 0, NULL, NULL));
	pki_take(out, bio);
}

static inline void pki_add_key_der(struct str *out, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	MUST(i2d_PrivateKey_bio(bio, key));
	pki_take(out, bio);
}

/* Writes a file in place. */
static inline void pki_write(const char *path, const char *data, size_t len)
{
	FILE *f = fopen(path, "we");

	MUST(f);
	MUST(fwrite(data, 1, len, f) == len);
	MUST(fclose(f) == 0);
}

#endif
