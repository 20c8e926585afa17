#include "model/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <string.h>

/* RFC 2253, but UTF-8 as it is instead of escaped byte by byte. */
#define NAME_FLAGS (XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB)

static void end_text(struct str *texts)
{
	str_add_n(texts, "", 1);
}

static void add_name(struct str *texts, BIO *bio, const X509_NAME *name)
{
	char *data = NULL;
	long len;

	/* d2i_X509() has refused strings that cannot be shown as UTF-8 */
	X509_NAME_print_ex(bio, name, 0, NAME_FLAGS);
	len = BIO_get_mem_data(bio, &data);
	str_add_n(texts, data, (size_t)len);
	(void)BIO_reset(bio);
	end_text(texts);
}

static void add_serial(struct str *texts, const ASN1_INTEGER *serial)
{
	const unsigned char *data = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);

	if (ASN1_STRING_type(serial) & V_ASN1_NEG)
		str_add(texts, "-");
	for (int i = 0; i < len; i++)
		str_addf(texts, "%02x", data[i]);
	end_text(texts);
}

/* Printable ASCII as it is, anything else as \xNN: one line, and no NUL byte that hides the rest.
 */
static void add_escaped(struct str *texts, const ASN1_STRING *text)
{
	const unsigned char *data = ASN1_STRING_get0_data(text);
	int len = ASN1_STRING_length(text);

	for (int i = 0; i < len; i++) {
		if (data[i] > ' ' && data[i] <= '~')
			str_add_n(texts, (const char *)&data[i], 1);
		else
			str_addf(texts, "\\x%02x", data[i]);
	}
}

/* Dotted or RFC 5952, which is what inet_ntop(3) writes. False: neither 4 nor 16 bytes. */
static bool add_address(struct str *texts, const ASN1_OCTET_STRING *address)
{
	int len = ASN1_STRING_length(address);
	char text[INET6_ADDRSTRLEN];

	if (len != 4 && len != 16)
		return false;
	inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text,
		  sizeof(text));
	str_add(texts, "ip:");
	str_add(texts, text);
	return true;
}

/* False: a kind of name that is not shown. */
static bool add_general_name(struct str *texts, const GENERAL_NAME *name)
{
	switch (name->type) {
	case GEN_DNS:
		str_add(texts, "dns:");
		add_escaped(texts, name->d.dNSName);
		return true;
	case GEN_IPADD:
		return add_address(texts, name->d.iPAddress);
	case GEN_EMAIL:
		str_add(texts, "email:");
		add_escaped(texts, name->d.rfc822Name);
		return true;
	case GEN_URI:
		str_add(texts, "uri:");
		add_escaped(texts, name->d.uniformResourceIdentifier);
		return true;
	default:
		return false;
	}
}

static uint32_t add_sans(struct str *texts, const X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	uint32_t n = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		if (add_general_name(texts, sk_GENERAL_NAME_value(names, i))) {
			end_text(texts);
			n++;
		}
	}
	GENERAL_NAMES_free(names);
	end_text(texts);
	return n;
}

uint32_t certificate_add_texts(const X509 *cert, struct str *texts)
{
	BIO *bio = BIO_new(BIO_s_mem());
	uint32_t n;

	if (!bio) {
		texts->failed = true;
		return 0;
	}
	add_name(texts, bio, X509_get_subject_name(cert));
	add_name(texts, bio, X509_get_issuer_name(cert));
	BIO_free(bio);
	add_serial(texts, X509_get0_serialNumber(cert));
	n = add_sans(texts, cert);
	ERR_clear_error();
	return n;
}

static bool is_self_signed(X509 *cert)
{
	EVP_PKEY *own = X509_get0_pubkey(cert);

	return (X509_get_extension_flags(cert) & EXFLAG_SI) && own && X509_verify(cert, own) == 1;
}

static void hash_spki(const X509 *cert, uint8_t *ret)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (len > 0)
		SHA256(der, (size_t)len, ret);
	OPENSSL_free(der);
}

void certificate_describe(X509 *cert, struct hc_cert *ret)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);

	ret->is_ca = (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;
	ret->self_signed = is_self_signed(cert);
	ret->key_bits = key ? (uint32_t)EVP_PKEY_get_bits(key) : 0;
	certificate_validity(cert, &ret->not_before, &ret->not_after);
	X509_digest(cert, EVP_sha256(), ret->sha256, NULL);
	hash_spki(cert, ret->spki_sha256);
	ERR_clear_error();
}
