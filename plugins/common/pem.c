#include "common/pem.h"

#include "common/mem.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

static void bio_freep(BIO **bio)
{
	BIO_free_all(*bio);
}

/* ---- blocks ---- */

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

/* 1: there is one more, 0: the end, -EBADMSG: a torn one. */
static int block_read(BIO *bio, struct block *block)
{
	bool end;

	ERR_clear_error();
	if (PEM_read_bio(bio, &block->name, &block->header, &block->der, &block->len))
		return 1;
	end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	return end ? 0 : -EBADMSG;
}

/* Reads the next whole block; false at the end of the text. */
static bool block_next(BIO *bio, struct block *block)
{
	int r;

	do
		r = block_read(bio, block);
	while (r < 0);
	return r > 0;
}

static bool is_certificate(const struct block *block)
{
	return strcmp(block->name, PEM_STRING_X509) == 0 ||
	       strcmp(block->name, PEM_STRING_X509_OLD) == 0;
}

/* ---- certificates ---- */

/*
 * The authorities that were met last, on the loop, which come again and again: OpenSSL 3.0 takes 90
 * us to decode a certificate, most of it to find out what decodes its public key.
 */
static struct authority {
	unsigned char *der;
	long len;
	X509 *cert;
} authorities[4];

static X509 *recall(const struct block *block)
{
	for (size_t i = 0; i < sizeof(authorities) / sizeof(*authorities); i++) {
		const struct authority *a = &authorities[i];

		if (a->cert && a->len == block->len &&
		    memcmp(a->der, block->der, (size_t)a->len) == 0 && X509_up_ref(a->cert) == 1)
			return a->cert;
	}
	return NULL;
}

/* In turn; takes the block's bytes. */
static void remember(struct block *block, X509 *cert)
{
	static size_t turn;
	struct authority *a = &authorities[turn];

	if (X509_up_ref(cert) != 1)
		return;
	turn = (turn + 1) % (sizeof(authorities) / sizeof(*authorities));
	X509_free(a->cert);
	OPENSSL_free(a->der);
	*a = (struct authority){block->der, block->len, cert};
	block->der = NULL;
}

static X509 *decode(struct block *block)
{
	const unsigned char *pos = block->der;
	X509 *cert = recall(block);

	if (cert)
		return cert;
	cert = d2i_X509(NULL, &pos, block->len);
	ERR_clear_error();
	if (cert && X509_get_extension_flags(cert) & EXFLAG_CA)
		remember(block, cert);
	return cert;
}

/* 1: there is one more, 0: the end, -EBADMSG: one that does not parse. */
static int next_cert(BIO *bio, X509 **ret_cert)
{
	struct block block = {0};
	int r = block_read(bio, &block);

	while (r > 0 && !is_certificate(&block)) {
		block_finish(&block);
		r = block_read(bio, &block);
	}
	if (r > 0) {
		*ret_cert = decode(&block);
		r = *ret_cert ? 1 : -EBADMSG;
	}
	block_finish(&block);
	return r;
}

int pem_parse_certs(const char *pem, size_t len, STACK_OF(X509) * *ret_certs)
{
	cleanup_with(bio_freep) BIO *bio = NULL;
	cleanup_certs STACK_OF(X509) *certs = sk_X509_new_null();
	X509 *cert = NULL;
	int r, n = 0;

	if (len > INT_MAX)
		return -EBADMSG;
	bio = BIO_new_mem_buf(pem, (int)len);
	if (!bio || !certs)
		return -ENOMEM;
	while ((r = next_cert(bio, &cert)) > 0) {
		if (!sk_X509_push(certs, cert)) {
			X509_free(cert);
			return -ENOMEM;
		}
		n++;
	}
	if (r < 0)
		return r;
	*ret_certs = steal(&certs);
	return n;
}

int pem_each(const char *text, size_t len, pem_fn fn, void *data)
{
	cleanup_with(bio_freep) BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];
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
	return n;
}

char *pem_from_der(const uint8_t *der, size_t len)
{
	cleanup_with(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;

	if (!bio || PEM_write_bio(bio, PEM_STRING_X509, "", der, (long)len) <= 0)
		return NULL;
	len = (size_t)BIO_get_mem_data(bio, &bytes);
	return strndup(bytes, len);
}

char *pem_from_certs(const STACK_OF(X509) * certs)
{
	cleanup_with(bio_freep) BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len;

	if (!bio)
		return NULL;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (PEM_write_bio_X509(bio, sk_X509_value(certs, i)) != 1)
			return NULL;
	len = BIO_get_mem_data(bio, &data);
	return len > 0 ? strndup(data, (size_t)len) : strdup("");
}

void pem_fingerprint(const X509 *cert, uint8_t ret[static PEM_FINGERPRINT_LEN])
{
	unsigned len = PEM_FINGERPRINT_LEN;

	if (X509_digest(cert, EVP_sha256(), ret, &len) != 1)
		memset(ret, 0, PEM_FINGERPRINT_LEN);
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

int pem_parse_fingerprint(const char *text, uint8_t ret[static PEM_FINGERPRINT_LEN])
{
	uint8_t fp[PEM_FINGERPRINT_LEN] = {0};
	size_t n = 0;

	for (; *text; text++) {
		int digit = hex_digit(*text);

		if (digit < 0 && strchr(":- \t", *text))
			continue;
		if (digit < 0 || n == 2 * sizeof(fp))
			return -EINVAL;
		fp[n / 2] = (uint8_t)(fp[n / 2] << 4 | digit);
		n++;
	}
	if (n != 2 * sizeof(fp))
		return -EINVAL;
	memcpy(ret, fp, sizeof(fp));
	return 0;
}

void pem_format_fingerprint(const uint8_t fp[static PEM_FINGERPRINT_LEN], char ret[static 65])
{
	for (size_t i = 0; i < PEM_FINGERPRINT_LEN; i++)
		snprintf(ret + 2 * i, 3, "%02x", fp[i]);
}

X509 *pem_find_fingerprint(const STACK_OF(X509) * certs,
			   const uint8_t fp[static PEM_FINGERPRINT_LEN])
{
	uint8_t its[PEM_FINGERPRINT_LEN];

	for (int i = 0; i < sk_X509_num(certs); i++) {
		pem_fingerprint(sk_X509_value(certs, i), its);
		if (memcmp(its, fp, sizeof(its)) == 0)
			return sk_X509_value(certs, i);
	}
	return NULL;
}

int64_t pem_time(const ASN1_TIME *at)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(at, &tm) != 1)
		return INT64_MIN;
	return (int64_t)timegm(&tm) * 1000;
}
