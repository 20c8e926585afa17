/*
 * What the CA sends is taken only where key, names, dates and path are right; requests and names
 */
#include "common/mem.h"
#include "common/pem.h"
#include "stepca/chain.h"
#include "stepca/csr.h"
#include "stepca/key.h"
#include "stepca/names.h"

#include "make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#define NOW ((time_t)1800000000)

struct world {
	EVP_PKEY *root_key, *middle_key, *key;
	X509 *root, *middle, *leaf;
	X509_STORE *roots;
	GENERAL_NAMES *names;
	STACK_OF(X509) * chain;
};

static const char *const wanted[] = {"Redis.internal", "10.0.0.5",	 "fd00::1",
				     "spiffe://a/b",   "me@example.com", NULL};
static const char sans[] = "DNS:redis.internal,IP:10.0.0.5,IP:fd00:0:0::1,URI:spiffe://a/b,"
			   "email:me@example.com,DNS:more.internal";

static X509 *leaf_with(struct world *w, EVP_PKEY *key, const char *names, time_t from, time_t to)
{
	return make_cert(&(struct make_cert){.subject = "leaf",
					     .key = key,
					     .issuer = w->middle,
					     .issuer_key = w->middle_key,
					     .sans = names,
					     .from = from,
					     .to = to});
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *bad;

	w->root_key = key_generate(KEY_EC_P256);
	w->middle_key = key_generate(KEY_EC_P384);
	w->key = key_generate(KEY_EC_P256);
	w->root = make_cert(&(struct make_cert){.subject = "root",
						.key = w->root_key,
						.ca = true,
						.from = NOW - 100,
						.to = NOW + 100000});
	w->middle = make_cert(&(struct make_cert){.subject = "middle",
						  .key = w->middle_key,
						  .issuer = w->root,
						  .issuer_key = w->root_key,
						  .ca = true,
						  .from = NOW - 100,
						  .to = NOW + 100000});
	w->leaf = leaf_with(w, w->key, sans, NOW - 10, NOW + 60);
	w->roots = X509_STORE_new();
	X509_STORE_add_cert(w->roots, w->root);
	w->chain = sk_X509_new_null();
	sk_X509_push(w->chain, w->leaf);
	sk_X509_push(w->chain, w->middle);
	*state = w;
	return names_build(wanted, &w->names, &bad);
}

static int teardown(void **state)
{
	struct world *w = *state;

	sk_X509_free(w->chain);
	X509_STORE_free(w->roots);
	X509_free(w->leaf);
	X509_free(w->middle);
	X509_free(w->root);
	EVP_PKEY_free(w->key);
	EVP_PKEY_free(w->middle_key);
	EVP_PKEY_free(w->root_key);
	GENERAL_NAMES_free(w->names);
	free(w);
	return 0;
}

static bool check(struct world *w, char *why, size_t size)
{
	const struct chain_demand demand = {
		.key = w->key, .names = w->names, .roots = w->roots, .now_ms = NOW * 1000};

	return chain_check(w->chain, &demand, why, size);
}

static void refused(struct world *w, const char *because)
{
	char why[256] = "";

	assert_false(check(w, why, sizeof(why)));
	assert_non_null(strstr(why, because));
}

/* The chain with another leaf is refused. */
static void leaf_refused(struct world *w, X509 *leaf, const char *because)
{
	sk_X509_set(w->chain, 0, leaf);
	refused(w, because);
	sk_X509_set(w->chain, 0, w->leaf);
	X509_free(leaf);
}

static void takes_what_it_asked_for(void **state)
{
	char why[256] = "";

	assert_true(check(*state, why, sizeof(why)));
}

static void refuses_another_key(void **state)
{
	struct world *w = *state;
	EVP_PKEY *other = key_generate(KEY_EC_P256);

	leaf_refused(w, leaf_with(w, other, sans, NOW - 10, NOW + 60), "another key");
	EVP_PKEY_free(other);
}

static void refuses_other_names(void **state)
{
	struct world *w = *state;

	leaf_refused(w, leaf_with(w, w->key, "DNS:redis.internal", NOW - 10, NOW + 60), "10.0.0.5");
	leaf_refused(w, leaf_with(w, w->key, NULL, NOW - 10, NOW + 60), "redis.internal");
}

static void refuses_what_is_not_valid_now(void **state)
{
	struct world *w = *state;

	leaf_refused(w, leaf_with(w, w->key, sans, NOW - 10, NOW), "expired");
	leaf_refused(w, leaf_with(w, w->key, sans, NOW + 10, NOW + 60), "not valid before");
}

static void refuses_a_path_that_leads_nowhere(void **state)
{
	struct world *w = *state;
	X509_STORE *right = w->roots;

	sk_X509_pop(w->chain);
	refused(w, "does not lead to a root");
	sk_X509_push(w->chain, w->middle);
	w->roots = X509_STORE_new();
	refused(w, "does not lead to a root");
	X509_STORE_free(w->roots);
	w->roots = right;
}

static void tells_serial_and_dates(void **state)
{
	struct world *w = *state;
	char serial[65], short_one[4];
	int64_t from, to;

	assert_string_equal(chain_serial(w->leaf, serial, sizeof(serial)), "1267");
	assert_string_equal(chain_serial(w->leaf, short_one, sizeof(short_one)), "126");
	chain_validity(w->leaf, &from, &to);
	assert_int_equal(from, (int64_t)(NOW - 10) * 1000);
	assert_int_equal(to, (int64_t)(NOW + 60) * 1000);
}

/* -- names ----------------------------------------------------------------------------------- */

static void tells_names_apart(void **state)
{
	static const struct {
		const char *text;
		int type; /* -1: none */
		const char *value;
	} cases[] = {
		{"redis.internal", NAME_DNS, "redis.internal"},
		{"*.internal", NAME_DNS, "*.internal"},
		{"host_1", NAME_DNS, "host_1"},
		{"dns:10.0.0.5", NAME_DNS, "10.0.0.5"},
		{"10.0.0.5", NAME_IP, "10.0.0.5"},
		{"::1", NAME_IP, "::1"},
		{"IP:fe80::2", NAME_IP, "fe80::2"},
		{"spiffe://trust/x", NAME_URI, "spiffe://trust/x"},
		{"urn:uuid:1-2", NAME_URI, "urn:uuid:1-2"},
		{"uri:https://a/b", NAME_URI, "https://a/b"},
		{"me@example.com", NAME_EMAIL, "me@example.com"},
		{"email:me@host", NAME_EMAIL, "me@host"},
		{"", -1, NULL},
		{"a b", -1, NULL},
		{"a..b", -1, NULL},
		{".a", -1, NULL},
		{"*.", -1, NULL},
		{"a.*.b", -1, NULL},
		{"@b", -1, NULL},
		{"ip:redis.internal", -1, NULL},
		{"dns:", -1, NULL},
		{"x:", -1, NULL},
		{"Überall", -1, NULL},
		{"a123456789012345678901234567890123456789012345678901234567890123", -1, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum name_type type = NAME_DNS;
		const char *value = NULL;
		bool known = name_classify(cases[i].text, &type, &value);

		if (known != (cases[i].type >= 0))
			fail_msg("\"%s\" is taken for a name: %d", cases[i].text, known);
		if (!known)
			continue;
		assert_int_equal((int)type, cases[i].type);
		assert_string_equal(value, cases[i].value);
	}
}

static void a_bad_name_is_named(void **state)
{
	static const char *const list[] = {"good", "not good", NULL};
	GENERAL_NAMES *names = NULL;
	const char *bad = NULL;

	(void)state;
	assert_int_equal(names_build(list, &names, &bad), -EINVAL);
	assert_string_equal(bad, "not good");
	assert_null(names);
}

static void names_read_as_they_were_written(void **state)
{
	struct world *w = *state;
	static const char *const texts[] = {"redis.internal", "10.0.0.5", "fd00::1", "spiffe://a/b",
					    "me@example.com"};

	for (int i = 0; i < 5; i++) {
		cleanup_free char *text = name_text(sk_GENERAL_NAME_value(w->names, i));

		assert_string_equal(text, texts[i]);
	}
}

/* -- requests and keys ------------------------------------------------------------------------ */

static void a_request_carries_names_and_subject(void **state)
{
	struct world *w = *state;
	static const enum key_type types[] = {KEY_EC_P256, KEY_EC_P384, KEY_RSA_2048, KEY_ED25519};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		EVP_PKEY *key = key_generate(types[i]);
		X509_REQ *csr = csr_create(key, "redis.internal", w->names);
		STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(csr);
		GENERAL_NAMES *its = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
		cleanup_free char *pem = csr_to_pem(csr);
		cleanup_free char *confirmation = csr_confirmation(csr);
		char cn[80] = "";

		assert_true(key_is(key, types[i]));
		assert_false(key_is(key, types[i] == KEY_EC_P256 ? KEY_EC_P384 : KEY_EC_P256));
		assert_int_equal(X509_REQ_verify(csr, key), 1);
		assert_int_equal(sk_GENERAL_NAME_num(its), 5);
		X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(csr), NID_commonName, cn,
					  sizeof(cn));
		assert_string_equal(cn, "redis.internal");
		assert_non_null(strstr(pem, "BEGIN CERTIFICATE REQUEST"));
		assert_int_equal(strlen(confirmation), 43);
		sk_GENERAL_NAME_pop_free(its, GENERAL_NAME_free);
		sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
		X509_REQ_free(csr);
		EVP_PKEY_free(key);
	}
}

static void a_subject_over_64_characters_is_left_out(void **state)
{
	struct world *w = *state;
	static const char name[] =
		"a-name-that-is-far-too-long-for-a-common-name.but-fine.as-a-dns-name.internal";
	X509_REQ *csr = csr_create(w->key, name, w->names);

	assert_non_null(csr);
	assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(csr)), 0);
	X509_REQ_free(csr);
}

static void write_text(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void reads_keys_and_says_what_is_wrong(void **state)
{
	struct world *w = *state;
	char directory[] = "/tmp/hotcert-key-XXXXXX";
	cleanup_free char *path = NULL;
	EVP_PKEY *key = NULL;
	size_t len = 0;
	char *pem = key_to_pem(w->key, NULL, &len);
	FILE *file;

	assert_non_null(mkdtemp(directory));
	assert_true(asprintf(&path, "%s/key", directory) > 0);
	assert_int_equal(key_read(path, NULL, &key), -ENOENT);
	write_text(path, pem, len);
	assert_int_equal(key_read(path, NULL, &key), 0);
	assert_int_equal(EVP_PKEY_eq(key, w->key), 1);
	EVP_PKEY_free(key);
	key = NULL;
	file = fopen(path, "w");
	PEM_write_X509(file, w->leaf);
	PEM_write_PUBKEY(file, w->root_key);
	fclose(file);
	assert_int_equal(key_read(path, NULL, &key), -EBADMSG);
	file = fopen(path, "a");
	PEM_write_PrivateKey(file, w->key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	assert_int_equal(key_read(path, NULL, &key), 0);
	assert_int_equal(EVP_PKEY_eq(key, w->key), 1);
	EVP_PKEY_free(key);
	key = NULL;
	write_text(path, pem, len / 2);
	assert_int_equal(key_read(path, NULL, &key), -EBADMSG);
	write_text(path, "", 0);
	assert_int_equal(key_read(path, NULL, &key), -EBADMSG);
	file = fopen(path, "w");
	PEM_write_PrivateKey(file, w->key, EVP_aes_128_cbc(), (unsigned char *)"pw", 2, NULL, NULL);
	fclose(file);
	assert_int_equal(key_read(path, NULL, &key), -EKEYREJECTED);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(key_read(path, NULL, &key), -EBADMSG);
	assert_null(key);
	unlink(path);
	rmdir(directory);
	key_free_pem(pem, len);
}

/* -- fingerprints and PEM ---------------------------------------------------------------------- */

static void reads_fingerprints_in_all_spellings(void **state)
{
	uint8_t fp[32] = {0}, same[32];
	char hex[65];

	(void)state;
	assert_int_equal(
		pem_parse_fingerprint(
			"0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF", fp),
		0);
	assert_int_equal(fp[31], 0xef);
	assert_int_equal(pem_parse_fingerprint("01:23:45:67:89:AB:CD:EF-01-23-45-67-89-ab-cd-ef:"
					       "01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef",
					       same),
			 0);
	assert_memory_equal(fp, same, sizeof(fp));
	pem_format_fingerprint(fp, hex);
	assert_string_equal(hex,
			    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	assert_int_equal(pem_parse_fingerprint("0123", same), -EINVAL);
	assert_int_equal(pem_parse_fingerprint("", same), -EINVAL);
	memset(hex, 'a', 64);
	hex[5] = 'x';
	assert_int_equal(pem_parse_fingerprint(hex, same), -EINVAL);
}

static void pem_comes_back_and_torn_pem_does_not(void **state)
{
	struct world *w = *state;
	cleanup_free char *pem = pem_from_certs(w->chain);
	cleanup_certs STACK_OF(X509) *back = NULL, *none = NULL, *torn = NULL;

	assert_int_equal(pem_parse_certs(pem, strlen(pem), &back), 2);
	assert_int_equal(X509_cmp(sk_X509_value(back, 1), w->middle), 0);
	assert_int_equal(pem_parse_certs("text", 4, &none), 0);
	assert_int_equal(sk_X509_num(none), 0);
	assert_int_equal(pem_parse_certs(pem, strlen(pem) - 40, &torn), -EBADMSG);
	assert_null(torn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_it_asked_for),
		cmocka_unit_test(refuses_another_key),
		cmocka_unit_test(refuses_other_names),
		cmocka_unit_test(refuses_what_is_not_valid_now),
		cmocka_unit_test(refuses_a_path_that_leads_nowhere),
		cmocka_unit_test(tells_serial_and_dates),
		cmocka_unit_test(tells_names_apart),
		cmocka_unit_test(a_bad_name_is_named),
		cmocka_unit_test(names_read_as_they_were_written),
		cmocka_unit_test(a_request_carries_names_and_subject),
		cmocka_unit_test(a_subject_over_64_characters_is_left_out),
		cmocka_unit_test(reads_keys_and_says_what_is_wrong),
		cmocka_unit_test(reads_fingerprints_in_all_spellings),
		cmocka_unit_test(pem_comes_back_and_torn_pem_does_not),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
