#include "stepca/csr.h"

#include "stepca/b64.h"
#include "stepca/key.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

enum { COMMON_NAME_MAX = 64 };

static int add_names(X509_REQ *csr, const GENERAL_NAMES *names)
{
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	int ok = X509V3_add1_i2d(&extensions, NID_subject_alt_name, (void *)names, 0,
				 X509V3_ADD_DEFAULT) == 1 &&
		 X509_REQ_add_extensions(csr, extensions) == 1;

	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return ok;
}

static int add_subject(X509_REQ *csr, const char *subject)
{
	if (!subject || strlen(subject) > COMMON_NAME_MAX)
		return 1;
	return X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(csr), NID_commonName,
					  MBSTRING_UTF8, (const unsigned char *)subject, -1, -1, 0);
}

X509_REQ *csr_create(EVP_PKEY *key, const char *subject, const GENERAL_NAMES *names)
{
	X509_REQ *csr = X509_REQ_new();

	/* OpenSSL 3.5 verifies no request whose version is only implied. */
	if (csr && X509_REQ_set_version(csr, X509_REQ_VERSION_1) == 1 &&
	    add_subject(csr, subject) && add_names(csr, names) &&
	    X509_REQ_set_pubkey(csr, key) == 1 && X509_REQ_sign(csr, key, key_digest(key)) > 0)
		return csr;
	X509_REQ_free(csr);
	return NULL;
}

char *csr_to_pem(const X509_REQ *csr)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *pem = NULL;
	long len = 0;

	if (bio && PEM_write_bio_X509_REQ(bio, csr) == 1)
		len = BIO_get_mem_data(bio, &data);
	if (len > 0)
		pem = strndup(data, (size_t)len);
	BIO_free(bio);
	return pem;
}

char *csr_confirmation(const X509_REQ *csr)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;

	if (X509_REQ_digest(csr, EVP_sha256(), digest, &len) != 1)
		return NULL;
	return b64url_encode(digest, len);
}
