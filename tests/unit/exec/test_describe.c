/* exec/describe: the variables of a snapshot and its digest */
#include "exec/describe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const sans[] = {"dns:redis.internal", "ip:10.0.0.5"};

static const struct hc_cert leaf = {
	.subject = "CN=redis.internal",
	.issuer = "CN=Example CA",
	.serial = "0a1b",
	.sans = sans,
	.n_sans = 2,
	.not_before = 1767225600000, /* 2026-01-01T00:00:00Z, as date -u -d @1767225600 says */
	.not_after = 1767312000999,
	.sha256 = {0xab, 0xcd},
};

static struct hc_file pair[] = {
	{.role = "cert",
	 .path = "/tls/a b.crt",
	 .error = "",
	 .mode = 0644,
	 .certs = &leaf,
	 .n_certs = 1,
	 .cert_size = sizeof(leaf),
	 .sha256 = {1}},
	{.role = "key", .path = "/tls/a.key", .error = "", .mode = 0600, .sha256 = {2}},
	{.role = "ca", .path = "/tls/ca.crt", .error = "", .mode = 0644, .sha256 = {3}},
};

static struct hc_snapshot snapshot_of(const struct hc_file *files, uint32_t n)
{
	return (struct hc_snapshot){
		.size = sizeof(struct hc_snapshot),
		.generation = 7,
		.watch = "cache",
		.directory = "/tls",
		.error = "",
		.files = files,
		.n_files = n,
		.file_size = sizeof(*files),
	};
}

static const char *value(char **env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; env[i]; i++)
		if (strncmp(env[i], name, len) == 0 && env[i][len] == '=')
			return env[i] + len + 1;
	return NULL;
}

static void a_pair_is_told_in_full(void **state)
{
	struct hc_snapshot snapshot = snapshot_of(pair, 3);
	char **env = describe_env(&snapshot, "exec:nginx");

	(void)state;
	assert_non_null(env);
	assert_string_equal(value(env, "HOTCERT_INSTANCE"), "exec:nginx");
	assert_string_equal(value(env, "HOTCERT_WATCH"), "cache");
	assert_string_equal(value(env, "HOTCERT_DIRECTORY"), "/tls");
	assert_string_equal(value(env, "HOTCERT_GENERATION"), "7");
	assert_string_equal(value(env, "HOTCERT_CERT"), "/tls/a b.crt");
	assert_string_equal(value(env, "HOTCERT_KEY"), "/tls/a.key");
	assert_string_equal(value(env, "HOTCERT_CA"), "/tls/ca.crt");
	assert_string_equal(value(env, "HOTCERT_FILES"), "/tls/a b.crt\n/tls/a.key\n/tls/ca.crt");
	assert_string_equal(value(env, "HOTCERT_SUBJECT"), "CN=redis.internal");
	assert_string_equal(value(env, "HOTCERT_ISSUER"), "CN=Example CA");
	assert_string_equal(value(env, "HOTCERT_SERIAL"), "0a1b");
	assert_string_equal(value(env, "HOTCERT_SANS"), "dns:redis.internal ip:10.0.0.5");
	assert_string_equal(value(env, "HOTCERT_NOT_BEFORE"), "2026-01-01T00:00:00Z");
	assert_string_equal(value(env, "HOTCERT_NOT_AFTER"), "2026-01-02T00:00:00Z");
	assert_int_equal(strlen(value(env, "HOTCERT_FINGERPRINT")), 64);
	assert_memory_equal(value(env, "HOTCERT_FINGERPRINT"), "abcd00", 6);
	describe_free(env);
}

static void a_match_watch_has_files_only(void **state)
{
	struct hc_file files[] = {{.role = "", .path = "/tls/a.pem", .error = ""},
				  {.role = "", .path = "/tls/b.pem", .error = ""}};
	struct hc_snapshot snapshot = snapshot_of(files, 2);
	char **env = describe_env(&snapshot, "exec:x");

	(void)state;
	assert_non_null(env);
	assert_string_equal(value(env, "HOTCERT_FILES"), "/tls/a.pem\n/tls/b.pem");
	assert_null(value(env, "HOTCERT_CERT"));
	assert_null(value(env, "HOTCERT_SUBJECT"));
	describe_free(env);
}

/* execve(2) refuses a string of 128 KiB: the list is left out rather than the run. */
static void a_huge_list_is_left_out(void **state)
{
	enum { N = 5000 };
	struct hc_file *files = calloc(N, sizeof(*files));
	struct hc_snapshot snapshot = snapshot_of(files, N);
	char **env;

	(void)state;
	for (int i = 0; i < N; i++)
		files[i] = (struct hc_file){
			.role = "", .path = "/a/path/of/thirty/characters/..", .error = ""};
	env = describe_env(&snapshot, "exec:x");
	assert_non_null(env);
	assert_string_equal(value(env, "HOTCERT_FILES"), "");
	describe_free(env);
	free(files);
}

struct digest {
	uint8_t bytes[DESCRIBE_DIGEST];
};

static struct digest digest_of(const struct hc_file *files, uint32_t n, char *const *argv,
			       const char *user, const char *group)
{
	struct hc_snapshot snapshot = snapshot_of(files, n);
	struct digest d = {{0}};

	assert_int_equal(describe_digest(&snapshot, argv, user, group, d.bytes), 0);
	return d;
}

static bool same(struct digest a, struct digest b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static void the_digest_tells_what_matters(void **state)
{
	char *argv[] = {(char *)"ab", (char *)"c", NULL},
	     *other[] = {(char *)"a", (char *)"bc", NULL};
	struct digest base = digest_of(pair, 3, argv, NULL, NULL);
	struct hc_file files[3];
	struct hc_snapshot later = snapshot_of(pair, 3);
	struct digest d = {{0}};

	(void)state;
	assert_true(same(base, digest_of(pair, 3, argv, NULL, NULL)));
	assert_false(same(base, digest_of(pair, 2, argv, NULL, NULL)));
	assert_false(same(base, digest_of(pair, 3, other, NULL, NULL)));
	assert_false(same(base, digest_of(pair, 3, argv, "www", NULL)));
	assert_false(same(base, digest_of(pair, 3, argv, NULL, "www")));
	assert_false(
		same(digest_of(pair, 3, argv, NULL, "www"), digest_of(pair, 3, argv, "www", NULL)));

	memcpy(files, pair, sizeof(files));
	files[1].sha256[31] = 1;
	assert_false(same(base, digest_of(files, 3, argv, NULL, NULL)));
	memcpy(files, pair, sizeof(files));
	files[1].mode = 0640;
	assert_false(same(base, digest_of(files, 3, argv, NULL, NULL)));
	memcpy(files, pair, sizeof(files));
	files[1].gid = 5;
	assert_false(same(base, digest_of(files, 3, argv, NULL, NULL)));

	later.generation = 1;
	assert_int_equal(describe_digest(&later, argv, NULL, NULL, d.bytes), 0);
	assert_true(same(base, d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_is_told_in_full),
		cmocka_unit_test(a_match_watch_has_files_only),
		cmocka_unit_test(a_huge_list_is_left_out),
		cmocka_unit_test(the_digest_tells_what_matters),
	};

	return cmocka_run_group_tests_name("exec/describe", tests, NULL, NULL);
}
