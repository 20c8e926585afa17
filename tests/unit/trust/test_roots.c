/* trust/roots: which certificates of a snapshot are let in, and what is said of the others */
#include "trust/roots.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/pem.h"

#define NOW 1767225600000 /* 2026-01-01T00:00:00Z */
#define DAY 86400000

/* A file of certificates. What stands in one is the host's matter: here each is a word in PEM. */
struct made {
	struct hc_cert certs[8];
	char text[4096];
	struct hc_file file;
};

static void made_add(struct made *m, const char *word)
{
	struct hc_cert *cert = &m->certs[m->file.n_certs++];
	char *pem = pem_from_der((const uint8_t *)word, strlen(word));

	*cert = (struct hc_cert){
		.subject = word,
		.issuer = word,
		.serial = "01",
		.is_ca = 1,
		.self_signed = 1,
		.not_before = NOW - DAY,
		.not_after = NOW + DAY,
	};
	EVP_Digest(word, strlen(word), cert->sha256, NULL, EVP_sha256(), NULL);
	strcat(m->text, "# what people write between certificates\n");
	strcat(m->text, pem);
	free(pem);
	m->file.data = (const uint8_t *)m->text;
	m->file.data_len = strlen(m->text);
	m->file.certs = m->certs;
	m->file.cert_size = sizeof(*cert);
}

static struct made made(const char *role)
{
	return (struct made){.file = {.role = role, .path = "/tls/ca.crt", .error = ""}};
}

static char said[1024];

static void refused(void *data, const struct hc_cert *cert, const char *why)
{
	(void)data;
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s %s\n", cert->subject, why);
}

static struct roots_view read_files(const struct hc_file *files, uint32_t n,
				    const uint8_t (*fingerprints)[32], size_t n_fingerprints)
{
	struct hc_snapshot snapshot = {.size = sizeof(snapshot),
				       .watch = "w",
				       .directory = "/tls",
				       .error = "",
				       .files = files,
				       .n_files = n,
				       .file_size = sizeof(*files)};
	struct roots_rules rules = {.fingerprints = fingerprints,
				    .n_fingerprints = n_fingerprints,
				    .now = NOW,
				    .refused = refused};
	struct roots_view view;

	said[0] = '\0';
	assert_int_equal(roots_read(&snapshot, &rules, &view), 0);
	return view;
}

static struct roots_view read_one(struct made *m)
{
	return read_files(&m->file, 1, NULL, 0);
}

static void roots_come_with_their_own_bytes_alone(void **state)
{
	struct made m = made("ca");
	struct roots_view view;

	(void)state;
	made_add(&m, "CN=One");
	made_add(&m, "CN=Two");
	made_add(&m, "CN=One");
	view = read_one(&m);
	assert_int_equal(view.roots.n, 2);
	assert_true(view.complete);
	assert_string_equal(view.roots.list[1].subject, "CN=Two");
	assert_string_equal(view.roots.list[1].label, "Two");
	assert_memory_equal(view.roots.list[1].fingerprint, m.certs[1].sha256, 32);
	assert_int_equal(strncmp(view.roots.list[1].pem, "-----BEGIN", 10), 0);
	assert_null(strstr(view.roots.list[1].pem, "people"));
	assert_ptr_equal(roots_find(&view.roots, m.certs[1].sha256), &view.roots.list[1]);
	assert_string_equal(said, "");
	roots_finish(&view.roots);
}

static void each_refusal_has_its_reason(void **state)
{
	struct made m = made("ca");
	struct roots_view view;

	(void)state;
	made_add(&m, "leaf");
	m.certs[0].is_ca = 0;
	made_add(&m, "intermediate");
	m.certs[1].self_signed = 0;
	made_add(&m, "young");
	m.certs[2].not_before = NOW + 1;
	made_add(&m, "old");
	m.certs[3].not_after = NOW;
	made_add(&m, "good");
	view = read_one(&m);
	assert_int_equal(view.roots.n, 1);
	assert_string_equal(view.roots.list[0].subject, "good");
	assert_int_equal(view.n_refused, 4);
	assert_non_null(strstr(said, "leaf is no CA certificate\n"));
	assert_non_null(strstr(said, "intermediate is not self-signed"));
	assert_non_null(strstr(said, "young is not valid before 2026-01-01T00:00:00Z\n"));
	assert_non_null(strstr(said, "old expired on 2026-01-01T00:00:00Z\n"));
	roots_finish(&view.roots);
}

static void only_listed_fingerprints_are_let_in(void **state)
{
	struct made m = made("ca");
	uint8_t list[1][32];
	struct roots_view view;

	(void)state;
	made_add(&m, "one");
	made_add(&m, "two");
	memcpy(list[0], m.certs[1].sha256, 32);
	view = read_files(&m.file, 1, (const uint8_t(*)[32])list, 1);
	assert_int_equal(view.roots.n, 1);
	assert_string_equal(view.roots.list[0].subject, "two");
	assert_non_null(strstr(said, "one has the fingerprint 7692c3ad"));
	assert_non_null(strstr(said, "which `fingerprints` does not list"));
	roots_finish(&view.roots);
}

static void the_role_decides_which_files_count(void **state)
{
	struct made cert = made("cert"), ca = made("ca"), any = made("");
	struct hc_file files[3];
	struct roots_view view;

	(void)state;
	made_add(&cert, "leaf");
	made_add(&ca, "root");
	made_add(&any, "matched");
	files[0] = cert.file;
	files[0].state = HC_STATE_BROKEN;
	files[1] = ca.file;
	files[2] = any.file;
	view = read_files(files, 2, NULL, 0);
	assert_int_equal(view.n_files, 1);
	assert_int_equal(view.roots.n, 1);
	assert_string_equal(view.roots.list[0].subject, "root");
	assert_true(view.complete); /* a broken pair says nothing about the roots */
	roots_finish(&view.roots);
	view = read_files(files + 2, 1, NULL, 0);
	assert_string_equal(view.roots.list[0].subject, "matched");
	roots_finish(&view.roots);
	view = read_files(files, 1, NULL, 0);
	assert_int_equal(view.n_files, 0);
	assert_false(view.complete);
}

static void what_is_missing_or_broken_makes_it_incomplete(void **state)
{
	struct made one = made(""), two = made("");
	struct hc_file files[2];
	struct roots_view view;

	(void)state;
	made_add(&one, "root");
	files[0] = one.file;
	files[1] = two.file;
	files[1].state = HC_STATE_BROKEN;
	files[1].error = "torn";
	view = read_files(files, 2, NULL, 0);
	assert_int_equal(view.roots.n, 1);
	assert_false(view.complete);
	assert_string_equal(view.broken_why, "torn");
	roots_finish(&view.roots);
	files[1].state = HC_STATE_MISSING;
	view = read_files(files, 2, NULL, 0);
	assert_false(view.complete);
	assert_string_equal(view.missing, "/tls/ca.crt");
	roots_finish(&view.roots);
	view = read_files(files, 0, NULL, 0);
	assert_false(view.complete);
}

/* Blocks that are torn or of another kind do not hide those behind them. */
static void torn_text_is_passed_over(void **state)
{
	struct made m = made("ca");
	char text[8192];
	struct roots_view view;

	(void)state;
	made_add(&m, "one");
	snprintf(text, sizeof(text),
		 "-----BEGIN CERTIFICATE-----\nMIIB!!\n-----END CERTIFICATE-----\n"
		 "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n%s-----BEGIN "
		 "CERTIFICATE-----\n",
		 m.text);
	m.file.data = (const uint8_t *)text;
	m.file.data_len = strlen(text);
	view = read_one(&m);
	assert_int_equal(view.roots.n, 1);
	roots_finish(&view.roots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roots_come_with_their_own_bytes_alone),
		cmocka_unit_test(each_refusal_has_its_reason),
		cmocka_unit_test(only_listed_fingerprints_are_let_in),
		cmocka_unit_test(the_role_decides_which_files_count),
		cmocka_unit_test(what_is_missing_or_broken_makes_it_incomplete),
		cmocka_unit_test(torn_text_is_passed_over),
	};

	return cmocka_run_group_tests_name("trust/roots", tests, NULL, NULL);
}
