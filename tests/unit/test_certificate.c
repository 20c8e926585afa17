#include "model/certificate.h"

#include "pki.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const TYPES[] = {"P-256", "P-384", "P-521", "RSA", "ED25519"};

enum {
	N_TYPES = sizeof(TYPES) / sizeof(TYPES[0]),
};

/* A root, an intermediate, a leaf, and a key of each type; made once. */
static struct {
	EVP_PKEY *keys[N_TYPES];
	EVP_PKEY *other; /* P-256 again */
	X509 *root;
	X509 *inter;
	X509 *leaf; /* key: keys[0] */
} pki;

static int setup(void **state)
{
	(void)state;
	for (int i = 0; i < N_TYPES; i++)
		pki.keys[i] = pki_key(TYPES[i]);
	pki.other = pki_key("P-256");
	pki.root = pki_cert(&(struct pki_spec){.subject = "Root", .key = pki.keys[3], .ca = true});
	pki.inter = pki_cert(&(struct pki_spec){.subject = "Intermediate",
						.key = pki.keys[1],
						.issuer = pki.root,
						.issuer_key = pki.keys[3],
						.ca = true});
	pki.leaf = pki_cert(&(struct pki_spec){.subject = "redis.internal",
					       .key = pki.keys[0],
					       .issuer = pki.inter,
					       .issuer_key = pki.keys[1],
					       .sans = "DNS:redis.internal"});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < N_TYPES; i++)
		EVP_PKEY_free(pki.keys[i]);
	EVP_PKEY_free(pki.other);
	X509_free(pki.root);
	X509_free(pki.inter);
	X509_free(pki.leaf);
	return 0;
}

/* How many certificates the bytes hold, or -1: refused, for a reason with this text. */
static int parse(const char *pem, size_t len, const char *reason)
{
	X509 **certs = NULL;
	size_t n = 0;
	char why[256] = "";
	int r = certificate_parse(pem, len, &certs, &n, why, sizeof(why));

	assert_int_equal(ERR_peek_error(), 0);
	if (r == 0) {
		certificate_free_all(certs, n);
		return (int)n;
	}
	assert_int_equal(r, 1);
	assert_null(certs);
	if (!strstr(why, reason))
		fail_msg("\"%s\" lacks \"%s\"", why, reason);
	assert_null(strchr(why, '\n'));
	return -1;
}

static int parse_str(struct str *s, const char *reason)
{
	int n = parse(str_get(s), s->len, reason);

	str_finish(s);
	return n;
}

static void parses_whole_files(void **state)
{
	struct str s = {0};

	(void)state;
	pki_add_cert(&s, pki.leaf);
	assert_int_equal(parse(s.data, s.len, ""), 1);
	assert_int_equal(parse(s.data, s.len - 1, ""), 1); /* no newline at its end */
	str_add(&s, "some text\n\n  -----BEGIN is not at the start of the line\n");
	pki_add_key(&s, pki.other, NULL);
	pki_add_cert(&s, pki.inter);
	str_add(&s, "-----BEGIN DH PARAMETERS-----\nMAA=\n-----END DH PARAMETERS-----\n-- \nbye");
	assert_int_equal(parse_str(&s, ""), 2);
}

static void parses_crlf_and_trusted(void **state)
{
	struct str unix_lines = {0};
	struct str s = {0};
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	pki_add_cert(&unix_lines, pki.leaf);
	for (size_t i = 0; i < unix_lines.len; i++) {
		if (unix_lines.data[i] == '\n')
			str_add(&s, "\r");
		str_add_n(&s, unix_lines.data + i, 1);
	}
	str_finish(&unix_lines);
	assert_int_equal(parse_str(&s, ""), 1);
	PEM_write_bio_X509_AUX(bio, pki.root);
	pki_take(&s, bio);
	assert_non_null(strstr(s.data, "TRUSTED"));
	assert_int_equal(parse_str(&s, ""), 1);
}

/* However a file of two certificates is cut, it is refused, but exactly behind the first one. */
static void refuses_every_cut(void **state)
{
	struct str s = {0};
	size_t first;

	(void)state;
	pki_add_cert(&s, pki.leaf);
	first = s.len;
	pki_add_cert(&s, pki.inter);
	for (size_t cut = 0; cut <= s.len; cut++) {
		int expected = cut >= s.len - 1 ? 2 : cut == first || cut == first - 1 ? 1 : -1;
		char *copy = malloc(cut + 1); /* exact, so that ASan sees what is read behind it */

		memcpy(copy, s.data, cut);
		if (parse(copy, cut, cut ? "" : "empty") != expected)
			fail_msg("cut at %zu of %zu", cut, s.len);
		free(copy);
	}
	str_finish(&s);
}

static void refuses_what_is_no_pem(void **state)
{
	struct str s = {0};

	(void)state;
	assert_int_equal(parse("hello\n", 6, "no certificate"), -1);
	pki_add_cert_der(&s, pki.leaf);
	assert_int_equal(parse_str(&s, "openssl x509 -inform der"), -1);
	pki_add_key_der(&s, pki.other);
	assert_int_equal(parse_str(&s, "is binary"), -1);
	pki_add_key(&s, pki.other, NULL);
	assert_int_equal(parse_str(&s, "a private key but no certificate"), -1);
	str_add(&s, "\xef\xbb\xbf");
	pki_add_cert(&s, pki.leaf);
	assert_int_equal(parse_str(&s, "byte order mark"), -1);
	str_add(&s, "MIIB\n-----END CERTIFICATE-----\n");
	pki_add_cert(&s, pki.leaf);
	assert_int_equal(parse_str(&s, "truncated"), -1);
	str_add(&s, "-----BEGIN DH PARAMETERS-----\nMAA=\n-----END X509 CRL-----\n");
	pki_add_cert(&s, pki.leaf);
	assert_int_equal(parse_str(&s, "truncated"), -1);
}

static void refuses_garbage_inside(void **state)
{
	struct str der = {0};
	struct str s = {0};
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	pki_add_cert_der(&der, pki.leaf);
	str_add(&der, "more");
	PEM_write_bio(bio, "CERTIFICATE", "", (unsigned char *)der.data, (long)der.len);
	pki_take(&s, bio);
	str_finish(&der);
	assert_int_equal(parse_str(&s, "certificate 1 does not decode"), -1);
	pki_add_cert(&s, pki.leaf);
	pki_add_cert(&s, pki.inter);
	*strrchr(s.data, '=') = '!';
	assert_int_equal(parse_str(&s, "certificate 2 does not decode"), -1);
}

/* Expects an order to be right (reason NULL) or refused for a reason. */
static void expect_order(X509 *const *certs, size_t n, const char *reason)
{
	char why[256] = "";
	int r = certificate_check_order(certs, n, why, sizeof(why));

	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(r, reason ? 1 : 0);
	if (reason && !strstr(why, reason))
		fail_msg("\"%s\" lacks \"%s\"", why, reason);
}

static void checks_order(void **state)
{
	(void)state;
	expect_order((X509 *[]){pki.leaf}, 1, NULL);
	expect_order((X509 *[]){pki.leaf, pki.inter}, 2, NULL);
	expect_order((X509 *[]){pki.leaf, pki.inter, pki.root}, 3, NULL);
	expect_order((X509 *[]){pki.inter, pki.leaf}, 2,
		     "certificate 2 did not issue certificate 1");
	expect_order((X509 *[]){pki.leaf, pki.root}, 2,
		     "certificate 2 did not issue certificate 1");
	expect_order((X509 *[]){pki.leaf, pki.leaf, pki.inter}, 3, "they are the same");
	expect_order((X509 *[]){pki.root, pki.root}, 2, "they are the same");
	expect_order((X509 *[]){pki.leaf, pki.inter, pki.leaf}, 3,
		     "certificate 3 did not issue certificate 2");
}

/* Two authorities of one name: told apart by key identifiers, or by the signature. */
static void tells_namesakes_apart(void **state)
{
	(void)state;
	for (int no_ids = 0; no_ids <= 1; no_ids++) {
		X509 *ca[2];
		X509 *leaf;

		for (int i = 0; i < 2; i++)
			ca[i] = pki_cert(&(struct pki_spec){.subject = "CA",
							    .key = i ? pki.other : pki.keys[1],
							    .ca = true,
							    .no_key_ids = no_ids});
		leaf = pki_cert(&(struct pki_spec){.subject = "leaf",
						   .key = pki.keys[0],
						   .issuer = ca[0],
						   .issuer_key = pki.keys[1],
						   .no_key_ids = no_ids});
		expect_order((X509 *[]){leaf, ca[0]}, 2, NULL);
		expect_order((X509 *[]){leaf, ca[1]}, 2, no_ids ? "signature" : "key identifier");
		X509_free(leaf);
		X509_free(ca[0]);
		X509_free(ca[1]);
	}
}

/* Expects a key to be the leaf's (reason NULL) or refused for a reason; empties pem. */
static void expect_key(X509 *leaf, struct str *pem, const char *password, const char *reason)
{
	char why[256] = "";
	int r = certificate_check_key(leaf, str_get(pem), pem->len, password, why, sizeof(why));

	assert_int_equal(ERR_peek_error(), 0);
	if (r != (reason ? 1 : 0))
		fail_msg("%d: %s", r, why);
	if (reason && !strstr(why, reason))
		fail_msg("\"%s\" lacks \"%s\"", why, reason);
	str_finish(pem);
}

static void checks_keys_of_all_types(void **state)
{
	(void)state;
	for (int c = 0; c < N_TYPES; c++) {
		X509 *leaf = pki_cert(&(struct pki_spec){.subject = "leaf", .key = pki.keys[c]});

		for (int k = 0; k < N_TYPES; k++) {
			const char *reason = c == k ? NULL : "is not the key of the certificate";
			struct str s = {0};

			pki_add_key(&s, pki.keys[k], NULL);
			expect_key(leaf, &s, NULL, reason);
			pki_add_key(&s, pki.keys[k], "secret");
			expect_key(leaf, &s, "secret", reason);
			if (strcmp(TYPES[k], "ED25519") == 0) /* has no traditional form */
				continue;
			pki_add_key_traditional(&s, pki.keys[k], NULL);
			expect_key(leaf, &s, NULL, reason);
			pki_add_key_traditional(&s, pki.keys[k], "secret");
			expect_key(leaf, &s, "secret", reason);
		}
		X509_free(leaf);
	}
}

static void refuses_other_keys(void **state)
{
	struct str s = {0};

	(void)state;
	pki_add_key(&s, pki.other, NULL);
	expect_key(pki.leaf, &s, NULL, "is not the key of the certificate; install");
	pki_add_key(&s, pki.keys[3], NULL);
	expect_key(pki.leaf, &s, NULL, "(RSA, the certificate has EC)");
	pki_add_key(&s, pki.keys[0], "secret");
	expect_key(pki.leaf, &s, NULL, "key_password_file");
	pki_add_key(&s, pki.keys[0], "secret");
	expect_key(pki.leaf, &s, "wrong", "does not open it");
	pki_add_key(&s, pki.keys[0], "secret");
	expect_key(pki.leaf, &s, "", "does not open it");
	pki_add_key_traditional(&s, pki.keys[0], "secret");
	expect_key(pki.leaf, &s, NULL, "key_password_file");
	pki_add_key_traditional(&s, pki.keys[0], "secret");
	expect_key(pki.leaf, &s, "wrong", "does not open it");
}

static void refuses_what_is_no_key(void **state)
{
	struct str s = {0};

	(void)state;
	expect_key(pki.leaf, &s, NULL, "is empty");
	pki_add_cert(&s, pki.leaf);
	expect_key(pki.leaf, &s, NULL, "no private key");
	pki_add_key_der(&s, pki.keys[0]);
	expect_key(pki.leaf, &s, NULL, "openssl pkey -inform der");
	str_add(&s, "\xef\xbb\xbf");
	pki_add_key(&s, pki.keys[0], NULL);
	expect_key(pki.leaf, &s, NULL, "byte order mark");
	str_add(&s, "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n");
	expect_key(pki.leaf, &s, NULL, "does not decode");
}

static void refuses_every_cut_of_a_key(void **state)
{
	struct str s = {0};

	(void)state;
	pki_add_key(&s, pki.keys[0], NULL);
	for (size_t cut = 1; cut < s.len - 1; cut++) {
		struct str part = {0};

		str_add_n(&part, s.data, cut);
		expect_key(pki.leaf, &part, NULL, "truncated");
	}
	str_finish(&s);
}

static void takes_key_without_leaf_and_among_others(void **state)
{
	struct str s = {0};

	(void)state;
	pki_add_key(&s, pki.other, NULL);
	expect_key(NULL, &s, NULL, NULL);
	str_add(&s, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
		    "-----END EC PARAMETERS-----\n");
	pki_add_cert(&s, pki.leaf);
	pki_add_key_traditional(&s, pki.keys[0], NULL);
	expect_key(pki.leaf, &s, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_whole_files),
		cmocka_unit_test(parses_crlf_and_trusted),
		cmocka_unit_test(refuses_every_cut),
		cmocka_unit_test(refuses_what_is_no_pem),
		cmocka_unit_test(refuses_garbage_inside),
		cmocka_unit_test(checks_order),
		cmocka_unit_test(tells_namesakes_apart),
		cmocka_unit_test(checks_keys_of_all_types),
		cmocka_unit_test(refuses_other_keys),
		cmocka_unit_test(refuses_what_is_no_key),
		cmocka_unit_test(refuses_every_cut_of_a_key),
		cmocka_unit_test(takes_key_without_leaf_and_among_others),
	};

	return cmocka_run_group_tests_name("certificate", tests, setup, teardown);
}
