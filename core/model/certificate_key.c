#include "model/certificate.h"

#include "base/mem.h"
#include "model/pem.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

static const char *type_name(const EVP_PKEY *key)
{
	const char *name = EVP_PKEY_get0_type_name(key);

	return name ? name : "unknown";
}

/*
 * A decoder for the type of key that was wanted last. To make one, OpenSSL 3.0 looks at all that it
 * knows, which takes ten times as long as the decoding itself (165 us and 16 us).
 */
static struct {
	char type[32];
	OSSL_DECODER_CTX *context;
	EVP_PKEY *key; /* where it puts its result */
} decoder;

static bool decoder_choose(const char *type)
{
	if (decoder.context && strcmp(decoder.type, type) == 0)
		return true;
	OSSL_DECODER_CTX_free(decoder.context);
	snprintf(decoder.type, sizeof(decoder.type), "%s", type);
	decoder.context = OSSL_DECODER_CTX_new_for_pkey(&decoder.key, "DER", NULL, type,
							EVP_PKEY_KEYPAIR, NULL, NULL);
	return decoder.context != NULL;
}

/* What does not decode as the type of the certificate's key may be of another type. */
static EVP_PKEY *decode_der(X509 *leaf, const unsigned char *der, size_t len)
{
	const EVP_PKEY *wanted = leaf ? X509_get0_pubkey(leaf) : NULL;
	const unsigned char *pos = der;
	size_t left = len;

	if (wanted && decoder_choose(type_name(wanted)) &&
	    OSSL_DECODER_from_data(decoder.context, &pos, &left) == 1)
		return steal(&decoder.key);
	pos = der;
	return d2i_AutoPrivateKey(NULL, &pos, (long)len);
}

static EVP_PKEY *decode_plain(X509 *leaf, const struct pem_block *block)
{
	BIO *bio = BIO_new_mem_buf(block->start, (int)block->len);
	char *name = NULL;
	char *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	EVP_PKEY *key = NULL;

	/* PEM_FLAG_SECURE wipes what it frees on the way, even where there is no secure heap. */
	if (bio && PEM_read_bio_ex(bio, &name, &header, &der, &len, PEM_FLAG_SECURE)) {
		key = decode_der(leaf, der, (size_t)len);
		OPENSSL_secure_clear_free(der, (size_t)len);
		OPENSSL_secure_free(header);
		OPENSSL_secure_free(name);
	}
	BIO_free(bio);
	return key;
}

static EVP_PKEY *decode_encrypted(const struct pem_block *block, const char *password)
{
	BIO *bio = BIO_new_mem_buf(block->start, (int)block->len);
	EVP_PKEY *key = NULL;

	/* Without a callback the last argument is the passphrase: pem_read_bio_privatekey(3). */
	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t)password);
	BIO_free(bio);
	return key;
}

static EVP_PKEY *decode_key(X509 *leaf, const struct pem_block *block, const char *password,
			    char *why, size_t why_size)
{
	bool encrypted = pem_is_encrypted(block);
	const char *reason;
	EVP_PKEY *key;

	if (encrypted && !password) {
		snprintf(why, why_size,
			 "is encrypted; name the file of its passphrase in "
			 "key_password_file");
		return NULL;
	}
	key = encrypted ? decode_encrypted(block, password) : decode_plain(leaf, block);
	if (key)
		return key;
	reason = ERR_reason_error_string(ERR_peek_last_error());
	if (encrypted)
		snprintf(why, why_size,
			 "is encrypted and the passphrase in key_password_file does "
			 "not open it; correct that file");
	else
		snprintf(why, why_size, "does not decode (%s); write the file again",
			 reason ? reason : "unknown encoding");
	return NULL;
}

static int compare(X509 *leaf, const EVP_PKEY *key, char *why, size_t why_size)
{
	const EVP_PKEY *wanted = X509_get0_pubkey(leaf);

	if (!wanted) {
		snprintf(why, why_size,
			 "cannot be compared: the certificate's public key is of a "
			 "kind that this OpenSSL does not know");
		return 1;
	}
	if (EVP_PKEY_eq(wanted, key) == 1)
		return 0;
	if (EVP_PKEY_is_a(key, type_name(wanted)))
		snprintf(why, why_size,
			 "is not the key of the certificate; install the two that "
			 "belong together");
	else
		snprintf(why, why_size,
			 "is not the key of the certificate (%s, the certificate has "
			 "%s); install the two that belong together",
			 type_name(key), type_name(wanted));
	return 1;
}

static void explain_none(const char *pem, size_t len, char *why, size_t why_size)
{
	if (len == 0)
		snprintf(why, why_size, "is empty; waiting for its content");
	else if (memchr(pem, 0, len))
		snprintf(why, why_size,
			 "is DER, not PEM; convert it with: openssl pkey -inform der "
			 "-in FILE -out FILE.pem");
	else
		snprintf(why, why_size,
			 "holds no private key (no line -----BEGIN PRIVATE KEY-----)");
}

/* 1 and why where there is no whole private key. */
static int find_key(const char *pem, size_t len, struct pem_block *ret_block, char *why,
		    size_t why_size)
{
	if (pem_has_bom(pem, len)) {
		snprintf(why, why_size, "begins with a byte order mark; save it without");
		return 1;
	}
	switch (pem_find_key(pem, len, ret_block)) {
	case PEM_NEXT_BLOCK:
		return 0;
	case PEM_NEXT_TORN:
		snprintf(why, why_size, "is truncated; write the file again");
		return 1;
	case PEM_NEXT_END:
		break;
	}
	explain_none(pem, len, why, why_size);
	return 1;
}

int certificate_check_key(X509 *leaf, const char *pem, size_t len, const char *password, char *why,
			  size_t why_size)
{
	struct pem_block block;
	EVP_PKEY *key;
	int r;

	if (find_key(pem, len, &block, why, why_size) != 0)
		return 1;
	key = decode_key(leaf, &block, password, why, why_size);
	r = !key || (leaf && compare(leaf, key, why, why_size) != 0);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return r;
}
