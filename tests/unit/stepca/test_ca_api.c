/*
 * Replies of the CA: read, judged, explained; tokens as the CA wants them
 */
#include "common/json.h"
#include "common/mem.h"
#include "common/text.h"
#include "stepca/b64.h"
#include "stepca/ca_api.h"
#include "stepca/key.h"
#include "stepca/names.h"
#include "stepca/token.h"

#include "make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#define NOW ((int64_t)1800000000000)

static struct http_reply reply_of(long status, const char *body)
{
	return (struct http_reply){
		.status = status, .error = "", .body = body, .len = strlen(body)};
}

static enum ca_verdict judge(const struct http_reply *reply, char *why)
{
	strcpy(why, "");
	return ca_judge(reply, "POST https://ca/1.0/sign", NOW, why);
}

static void every_status_has_its_verdict(void **state)
{
	static const struct {
		long status;
		enum ca_verdict verdict;
	} cases[] = {
		{200, CA_DONE},	   {201, CA_DONE},    {204, CA_REFUSED}, {301, CA_REFUSED},
		{307, CA_REFUSED}, {400, CA_REFUSED}, {401, CA_DENIED},	 {403, CA_REFUSED},
		{404, CA_REFUSED}, {408, CA_RETRY},   {418, CA_REFUSED}, {429, CA_RETRY},
		{500, CA_RETRY},   {501, CA_REFUSED}, {502, CA_RETRY},	 {503, CA_RETRY},
		{504, CA_RETRY},
	};
	char why[CA_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct http_reply reply = reply_of(cases[i].status, "");
		char number[32];

		assert_int_equal(judge(&reply, why), cases[i].verdict);
		snprintf(number, sizeof(number), "HTTP %ld", cases[i].status);
		if (cases[i].verdict != CA_DONE)
			assert_non_null(strstr(why, number));
	}
}

static void what_went_wrong_below_http(void **state)
{
	static const struct {
		enum http_result result;
		enum ca_verdict verdict;
	} cases[] = {
		{HTTP_UNREACHABLE, CA_RETRY},
		{HTTP_NOT_VERIFIED, CA_REFUSED},
		{HTTP_REFUSED_US, CA_RETRY},
		{HTTP_TOO_BIG, CA_RETRY},
	};
	char why[CA_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_reply reply = reply_of(0, "");

		reply.result = cases[i].result;
		reply.error = "what curl said";
		assert_int_equal(judge(&reply, why), cases[i].verdict);
		assert_non_null(strstr(why, "POST https://ca/1.0/sign: what curl said; "));
	}
}

static void the_servers_words_are_shown(void **state)
{
	static const struct {
		const char *body, *shown;
	} cases[] = {
		{"{\"status\":403,\"message\":\"the duration is too long\"}",
		 ": the duration is too long; "},
		{"{\"type\":\"urn:x\",\"detail\":\"no such thing\"}", ": no such thing; "},
		{"<html>\n<h1>Bad\tGateway</h1>\x1b[31m", ": <html> <h1>Bad Gateway</h1> [31m; "},
		{"", "HTTP 403; "},
		{"{\"message\":17}", ": {\"message\":17}; "},
	};
	char why[CA_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct http_reply reply = reply_of(403, cases[i].body);

		assert_int_equal(judge(&reply, why), CA_REFUSED);
		assert_non_null(strstr(why, cases[i].shown));
	}
}

static void a_clock_that_is_off_is_mentioned(void **state)
{
	struct http_reply reply = reply_of(401, "");
	char why[CA_WHY_SIZE];

	(void)state;
	reply.date = NOW + 7200 * 1000;
	assert_int_equal(judge(&reply, why), CA_DENIED);
	assert_non_null(strstr(why, "its clock is 2h 0m ahead of ours"));
	reply.date = NOW - 90 * 1000;
	judge(&reply, why);
	assert_non_null(strstr(why, "its clock is 1m 30s behind ours"));
	reply.date = NOW + 30 * 1000;
	judge(&reply, why);
	assert_null(strstr(why, "clock"));
}

static void even_the_longest_message_fits(void **state)
{
	char body[5000] = "", why[CA_WHY_SIZE];
	struct http_reply reply = reply_of(401, body);

	(void)state;
	memset(body, 'x', sizeof(body));
	reply.len = sizeof(body);
	reply.date = 1000;
	assert_int_equal(judge(&reply, why), CA_DENIED);
	assert_non_null(strstr(why, "x...; "));
	ca_explain_garbage(&reply, "GET https://ca/roots", why);
	assert_non_null(strstr(why, "x...\""));
}

/* -- certificates ------------------------------------------------------------------------------ */

/* PEM of a certificate, as JSON. */
static json_t *cert_json(void)
{
	EVP_PKEY *key = key_generate(KEY_EC_P256);
	cleanup_certs STACK_OF(X509) *certs = sk_X509_new_null();
	cleanup_free char *pem = NULL;

	sk_X509_push(certs,
		     make_cert(&(struct make_cert){.subject = "x", .key = key, .to = 4000000000}));
	EVP_PKEY_free(key);
	pem = pem_from_certs(certs);
	return json_string(pem);
}

typedef int parse_fn(const struct http_reply *reply, STACK_OF(X509) * *ret_certs);

/* expected: how many certificates, or the error. Takes the JSON. */
static void parses(parse_fn *parse, json_t *json, int expected)
{
	cleanup_free char *body = json_dumps(json, 0);
	const struct http_reply reply = reply_of(201, body);
	cleanup_certs STACK_OF(X509) *certs = NULL;
	int r = parse(&reply, &certs);

	json_decref(json);
	assert_int_equal(r, expected < 0 ? expected : 0);
	assert_int_equal(certs ? sk_X509_num(certs) : 0, expected < 0 ? 0 : expected);
}

static void reads_the_certificates_of_all_replies(void **state)
{
	(void)state;
	parses(ca_parse_root, json_pack("{so}", "ca", cert_json()), 1);
	parses(ca_parse_roots, json_pack("{s[oo]}", "crts", cert_json(), cert_json()), 2);
	parses(ca_parse_chain,
	       json_pack("{so so s[ooo]}", "crt", cert_json(), "ca", cert_json(), "certChain",
			 cert_json(), cert_json(), cert_json()),
	       3);
	/* Before there was certChain. */
	parses(ca_parse_chain,
	       json_pack("{so so s[]}", "crt", cert_json(), "ca", cert_json(), "certChain"), 2);
	parses(ca_parse_chain, json_pack("{so so}", "crt", cert_json(), "ca", cert_json()), 2);
}

static void refuses_replies_that_are_none(void **state)
{
	(void)state;
	parses(ca_parse_root, json_object(), -EBADMSG);
	parses(ca_parse_root, json_array(), -EBADMSG);
	parses(ca_parse_root, json_pack("{ss}", "ca", ""), -EBADMSG);
	parses(ca_parse_root, json_pack("{si}", "ca", 1), -EBADMSG);
	parses(ca_parse_root, json_pack("{ss}", "ca", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
	       -EBADMSG);
	parses(ca_parse_roots, json_pack("{s[]}", "crts"), -EBADMSG);
	parses(ca_parse_roots, json_pack("{s[os]}", "crts", cert_json(), "junk"), -EBADMSG);
	parses(ca_parse_chain, json_pack("{so}", "crt", cert_json()), -EBADMSG);
	parses(ca_parse_chain, json_pack("{s{}}", "certChain"), -EBADMSG);
}

/* -- provisioners ------------------------------------------------------------------------------ */

static int find(const char *body, const char *name, struct ca_provisioner *p, char **cursor)
{
	const struct http_reply reply = reply_of(200, body);

	return ca_parse_provisioners(&reply, name, "JWK", p, cursor);
}

static const char page[] =
	"{\"provisioners\":[{\"type\":\"ACME\",\"name\":\"acme\"},{\"type\":7},[],"
	"{\"type\":\"jwk\",\"name\":\"redis\",\"key\":{\"kid\":\"K\",\"alg\":\"ES384\"},"
	"\"encryptedKey\":\"E\"},"
	"{\"type\":\"JWK\",\"name\":\"bare\",\"key\":{\"kid\":\"B\"}},"
	"{\"type\":\"JWK\",\"name\":\"broken\"}],\"nextCursor\":\"00ff-_\"}";

static void finds_a_provisioner_by_name(void **state)
{
	struct ca_provisioner p = {0};
	char *cursor = NULL;

	(void)state;
	assert_int_equal(find(page, "redis", &p, &cursor), CA_PROVISIONER_FOUND);
	assert_string_equal(p.kid, "K");
	assert_string_equal(p.algorithm, "ES384");
	assert_string_equal(p.encrypted_key, "E");
	ca_provisioner_finish(&p);
	assert_int_equal(find(page, "bare", &p, &cursor), CA_PROVISIONER_FOUND);
	assert_null(p.encrypted_key);
	assert_null(p.algorithm);
	ca_provisioner_finish(&p);
	assert_int_equal(find(page, "acme", &p, &cursor), CA_PROVISIONER_OTHER_TYPE);
	assert_int_equal(find(page, "broken", &p, &cursor), -EBADMSG);
	assert_null(cursor);
}

static void follows_the_cursor_to_the_last_page(void **state)
{
	struct ca_provisioner p = {0};
	char *cursor = NULL;

	(void)state;
	assert_int_equal(find(page, "other", &p, &cursor), CA_PROVISIONER_NEXT_PAGE);
	assert_string_equal(cursor, "00ff-_");
	free(cursor);
	cursor = NULL;
	assert_int_equal(find("{\"provisioners\":[],\"nextCursor\":\"\"}", "x", &p, &cursor),
			 CA_PROVISIONER_ABSENT);
	assert_int_equal(find("{\"provisioners\":[]}", "x", &p, &cursor), CA_PROVISIONER_ABSENT);
	assert_int_equal(find("{\"provisioners\":[],\"nextCursor\":\"a&b\"}", "x", &p, &cursor),
			 -EBADMSG);
	assert_int_equal(find("{\"provisioners\":{}}", "x", &p, &cursor), -EBADMSG);
	assert_int_equal(find("<html>", "x", &p, &cursor), -EBADMSG);
	assert_null(cursor);
}

static void requests_are_what_the_ca_reads(void **state)
{
	cleanup_free char *plain = ca_sign_request("CSR\n", "TOKEN", 0, NULL);
	cleanup_free char *timed = ca_sign_request("CSR\n", "TOKEN", 90500, NULL);
	cleanup_free char *rekey = ca_rekey_request("CSR\n");

	(void)state;
	assert_string_equal(plain, "{\"csr\":\"CSR\\n\",\"ott\":\"TOKEN\"}");
	assert_string_equal(timed,
			    "{\"csr\":\"CSR\\n\",\"ott\":\"TOKEN\",\"notAfter\":\"90500ms\"}");
	assert_string_equal(rekey, "{\"csr\":\"CSR\\n\"}");
}

/* -- tokens -------------------------------------------------------------------------------------
 */

/* Part 0 (header) or 1 (claims) of a compact token. */
static json_t *part(const char *token, int n)
{
	const char *start = n ? strchr(token, '.') + 1 : token;
	cleanup_free uint8_t *text = NULL;
	size_t len = 0;
	json_t *json;

	assert_int_equal(b64url_decode(start, strcspn(start, "."), &text, &len), 0);
	json = json_parse_object((char *)text, len);
	assert_non_null(json);
	return json;
}

static void a_one_time_token_says_what_step_ca_checks(void **state)
{
	static const char *const list[] = {"redis.internal", "10.0.0.5", NULL};
	EVP_PKEY *key = key_generate(KEY_EC_P384);
	struct token_claims claims = {.kid = "K",
				      .issuer = "redis",
				      .audience = "https://ca/1.0/sign",
				      .subject = "redis.internal",
				      .root = "aa",
				      .confirmation = "C",
				      .now_ms = NOW + 999};
	GENERAL_NAMES *names = NULL;
	cleanup_free char *token = NULL, *other = NULL;
	cleanup_json json_t *header = NULL, *said = NULL, *again = NULL;
	const char *bad;

	(void)state;
	assert_int_equal(names_build(list, &names, &bad), 0);
	claims.names = names;
	assert_int_equal(token_one_time(key, &claims, &token), 0);
	assert_int_equal(token_one_time(key, &claims, &other), 0);
	header = part(token, 0);
	said = part(token, 1);
	again = part(other, 1);
	assert_string_equal(json_text(header, "alg"), "ES384");
	assert_string_equal(json_text(header, "kid"), "K");
	assert_string_equal(json_text(header, "typ"), "JWT");
	assert_string_equal(json_text(said, "aud"), "https://ca/1.0/sign");
	assert_string_equal(json_text(said, "iss"), "redis");
	assert_string_equal(json_text(said, "sub"), "redis.internal");
	assert_string_equal(json_text(said, "sha"), "aa");
	assert_string_equal(json_string_value(json_array_get(json_object_get(said, "sans"), 1)),
			    "10.0.0.5");
	assert_string_equal(json_text(json_object_get(said, "cnf"), "x5rt#S256"), "C");
	assert_int_equal(json_integer_value(json_object_get(said, "iat")), NOW / 1000);
	assert_int_equal(json_integer_value(json_object_get(said, "exp")), NOW / 1000 + 300);
	assert_int_equal(strlen(json_text(said, "jti")), 64);
	assert_string_not_equal(json_text(said, "jti"), json_text(again, "jti"));
	claims.algorithm = "ES256";
	assert_int_equal(token_one_time(key, &claims, &(char *){NULL}), -EINVAL);
	GENERAL_NAMES_free(names);
	EVP_PKEY_free(key);
}

static void a_renewal_token_carries_the_chain(void **state)
{
	EVP_PKEY *key = key_generate(KEY_EC_P256);
	cleanup_certs STACK_OF(X509) *chain = sk_X509_new_null();
	cleanup_free char *token = NULL;
	cleanup_json json_t *header = NULL, *said = NULL;
	const char *leaf;

	(void)state;
	sk_X509_push(chain, make_cert(&(struct make_cert){
				    .subject = "redis.internal", .key = key, .to = 4000000000}));
	assert_int_equal(token_renewal(key, chain, "https://ca/1.0/renew", NOW, &token), 0);
	header = part(token, 0);
	said = part(token, 1);
	leaf = json_string_value(json_array_get(json_object_get(header, "x5cInsecure"), 0));
	assert_memory_equal(leaf, "MII", 3); /* standard base64 of a DER sequence */
	assert_int_equal(strlen(leaf) % 4, 0);
	assert_string_equal(json_text(said, "sub"), "redis.internal");
	assert_string_equal(json_text(said, "iss"), "step-ca-client/1.0");
	assert_null(json_text(said, "jti"));
	EVP_PKEY_free(key);
}

/* -- text for people -----------------------------------------------------------------------------
 */

static void times_and_durations_are_readable(void **state)
{
	char text[TEXT_TIME_SIZE];

	(void)state;
	assert_string_equal(text_time(NOW, text), "2027-01-15T08:00:00Z");
	assert_string_equal(text_duration(0, text), "0s");
	assert_string_equal(text_duration(-5, text), "0s");
	assert_string_equal(text_duration(59999, text), "59s");
	assert_string_equal(text_duration(61000, text), "1m 1s");
	assert_string_equal(text_duration(3600000, text), "1h 0m");
	assert_string_equal(text_duration(90000000, text), "1d 1h");
}

static void strangers_text_is_made_one_printable_line(void **state)
{
	char text[12];

	(void)state;
	text_clean("\n a \x01\x1b[0m b\n", 12, text, sizeof(text));
	assert_string_equal(text, "a [0m b");
	text_clean("0123456789ABC", 13, text, sizeof(text));
	assert_string_equal(text, "01234567...");
	text_clean("0123456789A", 11, text, sizeof(text));
	assert_string_equal(text, "0123456789A");
	text_clean("", 0, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_its_verdict),
		cmocka_unit_test(what_went_wrong_below_http),
		cmocka_unit_test(the_servers_words_are_shown),
		cmocka_unit_test(a_clock_that_is_off_is_mentioned),
		cmocka_unit_test(even_the_longest_message_fits),
		cmocka_unit_test(reads_the_certificates_of_all_replies),
		cmocka_unit_test(refuses_replies_that_are_none),
		cmocka_unit_test(finds_a_provisioner_by_name),
		cmocka_unit_test(follows_the_cursor_to_the_last_page),
		cmocka_unit_test(requests_are_what_the_ca_reads),
		cmocka_unit_test(a_one_time_token_says_what_step_ca_checks),
		cmocka_unit_test(a_renewal_token_carries_the_chain),
		cmocka_unit_test(times_and_durations_are_readable),
		cmocka_unit_test(strangers_text_is_made_one_printable_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
