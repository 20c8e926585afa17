#include "model/certificate.h"

#include "pki.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A certificate's texts, one a line. */
static void expect_texts(const X509 *cert, uint32_t n_sans, const char *expected)
{
	struct str texts = {0};

	assert_int_equal(certificate_add_texts(cert, &texts), n_sans);
	assert_false(texts.failed);
	assert_int_equal(ERR_peek_error(), 0);
	for (size_t i = 0; i < texts.len; i++)
		if (texts.data[i] == '\0')
			texts.data[i] = '\n';
	assert_string_equal(str_get(&texts), expected);
	str_finish(&texts);
}

static void shows_names_and_serial(void **state)
{
	EVP_PKEY *key = pki_key("P-256");
	X509 *cert = pki_cert(
		&(struct pki_spec){.subject = "Zürich, \"x\"\n", .key = key, .serial = 0xff0a});
	X509_NAME *nobody = X509_NAME_new();

	(void)state;
	expect_texts(cert, 0, "CN=Zürich\\, \\\"x\\\"\\0A\nCN=Zürich\\, \\\"x\\\"\\0A\nff0a\n\n");
	MUST(ASN1_INTEGER_set(X509_get_serialNumber(cert), 0));
	MUST(X509_set_subject_name(cert, nobody));
	X509_NAME_free(nobody);
	expect_texts(cert, 0, "\nCN=Zürich\\, \\\"x\\\"\\0A\n00\n\n");
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void shows_sans(void **state)
{
	EVP_PKEY *key = pki_key("P-256");
	X509 *cert = pki_cert(&(struct pki_spec){
		.subject = "x",
		.key = key,
		.sans = "DNS:a.example,DNS:*.b.example,IP:10.0.0.5,IP:2001:DB8:0:0:1:0:0:1,"
			"IP:2001:db8:0:1:1:1:1:1,IP:::1,IP:::ffff:192.0.2.1,"
			"email:ops@example.org,URI:spiffe://td/w,RID:1.2.3.4"});

	(void)state;
	expect_texts(cert, 9,
		     "CN=x\nCN=x\n1267\ndns:a.example\ndns:*.b.example\nip:10.0.0.5\n"
		     "ip:2001:db8::1:0:0:1\nip:2001:db8:0:1:1:1:1:1\nip:::1\nip:::ffff:192.0.2.1\n"
		     "email:ops@example.org\nuri:spiffe://td/w\n\n");
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* A name with a NUL byte must not look like the part before it. */
static void escapes_sans(void **state)
{
	EVP_PKEY *key = pki_key("P-256");
	X509 *cert = pki_cert(&(struct pki_spec){.subject = "x", .key = key});
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	(void)state;
	MUST(ASN1_STRING_set(text, "good\0.evil\n\xe9", 12));
	GENERAL_NAME_set0_value(name, GEN_DNS, text);
	sk_GENERAL_NAME_push(names, name);
	MUST(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0));
	GENERAL_NAMES_free(names);
	expect_texts(cert, 1, "CN=x\nCN=x\n1267\ndns:good\\x00.evil\\x0a\\xe9\n\n");
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void describes_keys(void **state)
{
	static const struct {
		const char *type;
		uint32_t bits;
	} cases[] = {
		{"P-256", 256}, {"P-384", 384}, {"P-521", 521}, {"RSA", 2048}, {"ED25519", 256}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EVP_PKEY *key = pki_key(cases[i].type);
		X509 *cert = pki_cert(&(struct pki_spec){.subject = "x", .key = key, .ca = true});
		struct hc_cert info = {0};
		unsigned char *spki = NULL;
		uint8_t digest[32];
		int len = i2d_PUBKEY(key, &spki);

		certificate_describe(cert, &info);
		assert_int_equal(info.key_bits, cases[i].bits);
		assert_int_equal(info.is_ca, 1);
		assert_int_equal(info.self_signed, 1);
		assert_int_equal(info.not_before, (int64_t)PKI_FROM * 1000);
		assert_int_equal(info.not_after, (int64_t)PKI_TO * 1000);
		SHA256(spki, (size_t)len, digest);
		assert_memory_equal(info.spki_sha256, digest, 32);
		MUST(X509_digest(cert, EVP_sha256(), digest, NULL));
		assert_memory_equal(info.sha256, digest, 32);
		assert_int_equal(ERR_peek_error(), 0);
		OPENSSL_free(spki);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
}

/* Its own name as issuer does not make a certificate self-signed. */
static void tells_self_issued_from_self_signed(void **state)
{
	EVP_PKEY *key[2] = {pki_key("P-256"), pki_key("P-256")};
	X509 *old = pki_cert(&(struct pki_spec){.subject = "CA", .key = key[0], .ca = true});
	X509 *rolled = pki_cert(&(struct pki_spec){
		.subject = "CA", .key = key[1], .issuer = old, .issuer_key = key[0], .ca = true});
	X509 *leaf = pki_cert(&(struct pki_spec){.subject = "leaf", .key = key[0]});
	struct hc_cert info = {0};

	(void)state;
	certificate_describe(rolled, &info);
	assert_int_equal(info.is_ca, 1);
	assert_int_equal(info.self_signed, 0);
	certificate_describe(leaf, &info);
	assert_int_equal(info.is_ca, 0);
	assert_int_equal(info.self_signed, 1);
	assert_int_equal(ERR_peek_error(), 0);
	X509_free(old);
	X509_free(rolled);
	X509_free(leaf);
	EVP_PKEY_free(key[0]);
	EVP_PKEY_free(key[1]);
}

static void reads_far_dates(void **state)
{
	EVP_PKEY *key = pki_key("P-256");
	X509 *cert = pki_cert(&(struct pki_spec){.subject = "x", .key = key});
	int64_t from;
	int64_t to;

	(void)state;
	/* RFC 5280 4.1.2.5: "no well-defined expiration date" */
	MUST(ASN1_TIME_set_string(X509_getm_notAfter(cert), "99991231235959Z"));
	MUST(ASN1_TIME_set_string(X509_getm_notBefore(cert), "500101000000Z"));
	assert_int_equal(certificate_validity(cert, &from, &to), 0);
	assert_int_equal(from, -631152000000);
	assert_int_equal(to, 253402300799000);
	X509_free(cert);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_names_and_serial),
		cmocka_unit_test(shows_sans),
		cmocka_unit_test(escapes_sans),
		cmocka_unit_test(describes_keys),
		cmocka_unit_test(tells_self_issued_from_self_signed),
		cmocka_unit_test(reads_far_dates),
	};

	return cmocka_run_group_tests_name("certificate_info", tests, NULL, NULL);
}
