#include "trust/pem.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct block {
	char *name;
	char *header;
	unsigned char *der;
	long len;
};

static void block_finish(struct block *block)
{
	OPENSSL_free(block->name);
	OPENSSL_free(block->header);
	OPENSSL_free(block->der);
	*block = (struct block){0};
}

/* Reads the next whole block; false at the end of the text. */
static bool block_next(BIO *bio, struct block *block)
{
	bool end;

	ERR_clear_error();
	while (!PEM_read_bio(bio, &block->name, &block->header, &block->der, &block->len)) {
		end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
		ERR_clear_error();
		if (end)
			return false;
	}
	return true;
}

static bool is_certificate(const struct block *block)
{
	return strcmp(block->name, PEM_STRING_X509) == 0 ||
	       strcmp(block->name, PEM_STRING_X509_OLD) == 0;
}

int pem_each(const char *text, size_t len, pem_fn fn, void *data)
{
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
	uint8_t fingerprint[PEM_FINGERPRINT];
	struct block block = {0};
	int n = 0;

	if (!bio)
		return -ENOMEM;
	while (block_next(bio, &block)) {
		if (is_certificate(&block) && EVP_Digest(block.der, (size_t)block.len, fingerprint,
							 NULL, EVP_sha256(), NULL)) {
			fn(data, block.der, (size_t)block.len, fingerprint);
			n++;
		}
		block_finish(&block);
	}
	BIO_free(bio);
	return n;
}

char *pem_encode(const uint8_t *der, size_t len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text = NULL;
	long n;

	if (bio && PEM_write_bio(bio, PEM_STRING_X509, "", der, (long)len) > 0) {
		n = BIO_get_mem_data(bio, &bytes);
		text = strndup(bytes, (size_t)n);
	}
	BIO_free(bio);
	return text;
}
