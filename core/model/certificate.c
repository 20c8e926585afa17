#include "model/certificate.h"

#include "model/pem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A list of certificates that grows. */
struct certs {
	X509 **list;
	size_t n;
	size_t size;
};

static const char *last_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : "unknown encoding";
}

void certificate_free_all(X509 **certs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		X509_free(certs[i]);
	free(certs);
}

static int certs_push(struct certs *certs, X509 *cert)
{
	if (certs->n == certs->size) {
		size_t size = certs->size ? certs->size * 4 : 2;
		X509 **list = reallocarray(certs->list, size, sizeof(X509 *));

		if (!list)
			return -ENOMEM;
		certs->list = list;
		certs->size = size;
	}
	certs->list[certs->n++] = cert;
	return 0;
}

/*
 * The authorities that were met last: most files end with the same. OpenSSL 3.0 takes 90 us to
 * decode a certificate, most of it to find out what decodes its public key.
 */
static struct authority {
	unsigned char *der;
	long len;
	X509 *cert;
} authorities[4];

static X509 *recall(const unsigned char *der, long len)
{
	for (size_t i = 0; i < sizeof(authorities) / sizeof(*authorities); i++) {
		const struct authority *a = &authorities[i];

		if (a->cert && a->len == len && memcmp(a->der, der, (size_t)len) == 0 &&
		    X509_up_ref(a->cert) == 1)
			return a->cert;
	}
	return NULL;
}

/* In turn: who has more authorities than places gains nothing and loses little. */
static void remember(const unsigned char *der, long len, X509 *cert)
{
	static size_t turn;
	struct authority *a = &authorities[turn];
	unsigned char *copy = malloc((size_t)len);

	if (!copy || X509_up_ref(cert) != 1) {
		free(copy);
		return;
	}
	turn = (turn + 1) % (sizeof(authorities) / sizeof(*authorities));
	X509_free(a->cert);
	free(a->der);
	*a = (struct authority){memcpy(copy, der, (size_t)len), len, cert};
}

/* DER to certificate, the whole of it. TRUSTED CERTIFICATE has OpenSSL's own notes behind it. */
static X509 *decode_anew(const unsigned char *der, long len, bool trusted)
{
	const unsigned char *pos = der;
	X509 *cert = trusted ? d2i_X509_AUX(NULL, &pos, len) : d2i_X509(NULL, &pos, len);
	int64_t from;
	int64_t to;

	if (cert && pos == der + len && certificate_validity(cert, &from, &to) == 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static X509 *decode_der(const unsigned char *der, long len, bool trusted)
{
	X509 *cert = trusted ? NULL : recall(der, len);

	if (cert)
		return cert;
	cert = decode_anew(der, len, trusted);
	if (cert && !trusted && X509_get_extension_flags(cert) & EXFLAG_CA)
		remember(der, len, cert);
	return cert;
}

/* NULL: it does not decode; OpenSSL's error queue may know why. */
static X509 *decode_block(const struct pem_block *block)
{
	BIO *bio = BIO_new_mem_buf(block->start, (int)block->len);
	char *name = NULL;
	char *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	X509 *cert = NULL;

	if (bio && PEM_read_bio(bio, &name, &header, &der, &len))
		cert = decode_der(der, len, strncmp(name, "TRUSTED", strlen("TRUSTED")) == 0);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
	return cert;
}

bool certificate_is_der(const char *data, size_t len)
{
	X509 *cert;

	if (len == 0 || data[0] != 0x30) /* SEQUENCE */
		return false;
	cert = decode_der((const unsigned char *)data, (long)len, false);
	ERR_clear_error();
	X509_free(cert);
	return cert != NULL;
}

/* Why a file without any certificate has none. */
static void explain_none(const char *pem, size_t len, char *why, size_t why_size)
{
	if (certificate_is_der(pem, len))
		snprintf(why, why_size,
			 "is DER, not PEM; convert it with: openssl x509 -inform der "
			 "-in FILE -out FILE.pem");
	else if (memchr(pem, 0, len))
		snprintf(why, why_size,
			 "is binary, not PEM; convert it with openssl x509 or "
			 "openssl pkcs12");
	else if (pem_mentions_key(pem, len))
		snprintf(why, why_size,
			 "holds a private key but no certificate; "
			 "check which file the [watch] section names");
	else
		snprintf(why, why_size,
			 "holds no certificate (no line -----BEGIN CERTIFICATE-----)");
}

static int add_block(struct certs *certs, const struct pem_block *block, char *why, size_t why_size)
{
	X509 *cert = decode_block(block);
	int r;

	if (!cert) {
		snprintf(why, why_size,
			 "certificate %zu does not decode (%s); write the file again", certs->n + 1,
			 last_reason());
		return 1;
	}
	r = certs_push(certs, cert);
	if (r < 0)
		X509_free(cert);
	return r;
}

static int collect(struct certs *certs, const char *pem, size_t len, char *why, size_t why_size)
{
	const char *pos = pem;
	struct pem_block block;
	enum pem_next next;

	while ((next = pem_next(&pos, pem + len, &block)) == PEM_NEXT_BLOCK) {
		int r = pem_is_certificate(&block) ? add_block(certs, &block, why, why_size) : 0;

		if (r != 0)
			return r;
	}
	if (next == PEM_NEXT_TORN) {
		snprintf(why, why_size,
			 "is truncated after %zu whole certificate%s; write the file again",
			 certs->n, certs->n == 1 ? "" : "s");
		return 1;
	}
	if (certs->n == 0) {
		explain_none(pem, len, why, why_size);
		return 1;
	}
	return 0;
}

int certificate_parse(const char *pem, size_t len, X509 ***ret_certs, size_t *ret_n, char *why,
		      size_t why_size)
{
	struct certs certs = {0};
	int r;

	if (len == 0) {
		snprintf(why, why_size, "is empty; waiting for its content");
		return 1;
	}
	if (pem_has_bom(pem, len)) {
		snprintf(why, why_size, "begins with a byte order mark; save it without");
		return 1;
	}
	r = collect(&certs, pem, len, why, why_size);
	ERR_clear_error();
	if (r != 0) {
		certificate_free_all(certs.list, certs.n);
		return r;
	}
	*ret_certs = certs.list;
	*ret_n = certs.n;
	return 0;
}

/* Whether key identifiers tie a certificate to its issuer; X509_check_issued() compared them. */
static bool tied_by_key_id(X509 *cert, X509 *issuer)
{
	return X509_get0_authority_key_id(cert) && X509_get0_subject_key_id(issuer);
}

static const char *check_link(X509 *cert, X509 *issuer)
{
	int r;

	if (X509_cmp(cert, issuer) == 0)
		return "they are the same";
	r = X509_check_issued(issuer, cert);
	if (r != X509_V_OK)
		return X509_verify_cert_error_string(r);
	if (!tied_by_key_id(cert, issuer) && X509_verify(cert, X509_get0_pubkey(issuer)) != 1)
		return "its signature is another's";
	return NULL;
}

int certificate_check_order(X509 *const *certs, size_t n, char *why, size_t why_size)
{
	for (size_t i = 0; i + 1 < n; i++) {
		const char *wrong = check_link(certs[i], certs[i + 1]);

		ERR_clear_error();
		if (!wrong)
			continue;
		snprintf(why, why_size,
			 "certificate %zu did not issue certificate %zu (%s); "
			 "put the leaf first, then each issuer",
			 i + 2, i + 1, wrong);
		return 1;
	}
	return 0;
}

static int time_ms(const ASN1_TIME *time, int64_t *ret)
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(time, &tm))
		return -EINVAL;
	*ret = (int64_t)timegm(&tm) * 1000;
	return 0;
}

int certificate_validity(const X509 *cert, int64_t *ret_not_before, int64_t *ret_not_after)
{
	int64_t from;
	int64_t to;

	if (time_ms(X509_get0_notBefore(cert), &from) < 0 ||
	    time_ms(X509_get0_notAfter(cert), &to) < 0)
		return -EINVAL;
	*ret_not_before = from;
	*ret_not_after = to;
	return 0;
}
