/*
 * ACME: signatures and proofs by the vectors of the RFCs, objects and problems as servers send them
 */
#include "common/json.h"
#include "common/mem.h"
#include "stepca/acme_core.h"
#include "stepca/acme_proof.h"
#include "stepca/b64.h"
#include "stepca/jwk.h"
#include "stepca/jws.h"
#include "stepca/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#define NOW ((int64_t)1800000000000)

/* RFC 8555 section 8.3 */
static const char token[] = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
static const char thumbprint[] = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";
static const char key_authorization[] = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
					".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";

/* RFC 7515 appendix A.3.1 */
static const char es256_jwk[] = "{\"kty\":\"EC\",\"crv\":\"P-256\","
				"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
				"\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}";

static struct http_reply reply_of(const char *body)
{
	return (struct http_reply){.status = 200,
				   .error = "",
				   .location = "",
				   .nonce = "",
				   .body = body,
				   .len = strlen(body)};
}

static json_t *parse(const char *text)
{
	json_t *json = json_parse_object(text, strlen(text));

	assert_non_null(json);
	return json;
}

static EVP_PKEY *account_key(void)
{
	cleanup_json json_t *json = parse(es256_jwk);
	EVP_PKEY *key = NULL;

	assert_int_equal(jwk_private(json, &key), 0);
	return key;
}

/* -- signatures ------------------------------------------------------------------------------ */

static void macs_as_in_rfc_7520_section_4_4(void **state)
{
	static const char payload[] =
		"It\xe2\x80\x99s a dangerous business, Frodo, going out your door. You step onto "
		"the road, and if you don't keep your feet, there\xe2\x80\x99s no knowing where "
		"you might be swept off to.";
	static const char secret[] = "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg";
	cleanup_json json_t *header =
		json_pack("{ss ss}", "alg", "HS256", "kid", "018c0ae5-4d9b-471b-bfd6-eef314bc7037");
	cleanup_free uint8_t *key = NULL;
	cleanup_free char *jws = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(b64url_decode(secret, strlen(secret), &key, &len), 0);
	assert_int_equal(jws_mac(key, len, header, payload, &jws), 0);
	assert_non_null(strstr(jws, "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2L"
				    "WVlZjMxNGJjNzAzNyJ9."));
	assert_string_equal(strrchr(jws, '.') + 1, "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0");
}

static void macs_nothing_else(void **state)
{
	cleanup_json json_t *header = json_pack("{ss}", "alg", "ES256"), *none = json_object();
	char *jws = NULL;

	(void)state;
	assert_int_equal(jws_mac((const uint8_t *)"x", 1, header, "", &jws), -EINVAL);
	assert_int_equal(jws_mac((const uint8_t *)"x", 1, none, "", &jws), -EINVAL);
}

static void verify_es256(EVP_PKEY *key, const char *text, size_t len, const char *signature)
{
	cleanup_free uint8_t *raw = NULL;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char *der = NULL;
	size_t raw_len = 0;
	int der_len;

	assert_int_equal(b64url_decode(signature, strlen(signature), &raw, &raw_len), 0);
	assert_int_equal(raw_len, 64);
	assert_int_equal(
		ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL)), 1);
	der_len = i2d_ECDSA_SIG(sig, &der);
	assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL), 1);
	assert_int_equal(
		EVP_DigestVerify(ctx, der, (size_t)der_len, (const unsigned char *)text, len), 1);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

/* RFC 8555 section 6.3: the payload of POST-as-GET is a zero-length octet string. */
static void an_empty_payload_is_signed(void **state)
{
	EVP_PKEY *key = account_key();
	cleanup_json json_t *header = json_pack("{ss ss ss ss}", "alg", "ES256", "kid",
						"https://ca/1", "nonce", "n", "url", "https://ca");
	cleanup_json json_t *flat = NULL;
	cleanup_free char *jws = NULL;
	const char *end;

	(void)state;
	assert_int_equal(jws_sign_text(key, header, "", &jws), 0);
	end = strrchr(jws, '.');
	assert_int_equal(end[-1], '.');
	verify_es256(key, jws, (size_t)(end - jws), end + 1);
	flat = acme_flatten(jws);
	assert_string_equal(json_text(flat, "payload"), "");
	assert_string_equal(json_text(flat, "signature"), end + 1);
	assert_int_equal(strlen(json_text(flat, "protected")), end - jws - 1);
	assert_int_equal(json_object_size(flat), 3);
	EVP_PKEY_free(key);
}

static void the_public_half_of_an_account_key(void **state)
{
	EVP_PKEY *key = account_key(), *other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	cleanup_json json_t *jwk = jwk_public_p256(key), *whole = parse(es256_jwk);
	cleanup_free char *ours = jwk_thumbprint(jwk), *theirs = jwk_thumbprint(whole);

	(void)state;
	assert_int_equal(json_object_size(jwk), 4);
	assert_string_equal(json_text(jwk, "x"), "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
	assert_string_equal(json_text(jwk, "y"), "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
	assert_string_equal(ours, theirs);
	assert_null(jwk_public_p256(other));
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

/* Coordinates that begin with zeros keep their 32 bytes: RFC 7518 section 6.2.1.2. */
static void coordinates_have_a_fixed_width(void **state)
{
	(void)state;
	for (int i = 0; i < 600; i++) {
		EVP_PKEY *key = key_generate(KEY_EC_P256);
		cleanup_json json_t *jwk = jwk_public_p256(key);

		assert_int_equal(strlen(json_text(jwk, "x")), 43);
		assert_int_equal(strlen(json_text(jwk, "y")), 43);
		EVP_PKEY_free(key);
	}
}

/* -- proofs ---------------------------------------------------------------------------------- */

static void key_authorizations_as_in_rfc_8555_section_8(void **state)
{
	cleanup_free char *text = acme_key_authorization(token, thumbprint);
	cleanup_free char *value = acme_dns_value(text);

	(void)state;
	assert_string_equal(text, key_authorization);
	/* printf %s … | openssl sha256 -binary | basenc --base64url */
	assert_string_equal(value, "LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo");
}

static void server_names_as_in_rfc_8738_section_6(void **state)
{
	static const struct {
		const char *name, *server;
		bool is_ip;
	} cases[] = {
		{"192.0.2.1", "1.2.0.192.in-addr.arpa", true},
		{"2001:db8::1",
		 "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", true},
		{"A.Example", "a.example", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup_free char *name = acme_server_name(cases[i].name, cases[i].is_ip);

		assert_string_equal(name, cases[i].server);
	}
	assert_null(acme_server_name("a.example", true));
}

static void check_identifier(X509 *cert)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
	int at = X509_get_ext_by_OBJ(cert, oid, -1);
	X509_EXTENSION *extension = X509_get_ext(cert, at);
	const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
	const uint8_t *data = ASN1_STRING_get0_data(value);
	cleanup_free char *digest = NULL;

	assert_int_equal(X509_EXTENSION_get_critical(extension), 1);
	assert_int_equal(ASN1_STRING_length(value), 34);
	assert_int_equal(data[0], V_ASN1_OCTET_STRING);
	assert_int_equal(data[1], 32);
	digest = b64url_encode(data + 2, 32);
	assert_string_equal(digest, "LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo");
	ASN1_OBJECT_free(oid);
}

static void certificates_as_in_rfc_8737_section_3(void **state)
{
	static const struct {
		const char *name;
		int type;
	} cases[] = {{"a.example", GEN_DNS}, {"192.0.2.1", GEN_IPADD}, {"::1", GEN_IPADD}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		X509 *cert = NULL;
		EVP_PKEY *key = NULL;
		GENERAL_NAMES *names;
		cleanup_free char *name = NULL;

		assert_int_equal(acme_proof_certificate(cases[i].name, cases[i].type == GEN_IPADD,
							key_authorization, NOW, &cert, &key),
				 0);
		assert_int_equal(X509_verify(cert, key), 1);
		names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
		assert_int_equal(sk_GENERAL_NAME_num(names), 1);
		assert_int_equal(sk_GENERAL_NAME_value(names, 0)->type, cases[i].type);
		name = name_text(sk_GENERAL_NAME_value(names, 0));
		assert_string_equal(name, cases[i].name);
		check_identifier(cert);
		GENERAL_NAMES_free(names);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
}

/* -- objects --------------------------------------------------------------------------------- */

static void reads_a_directory(void **state)
{
	const struct http_reply reply = reply_of(
		"{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":"
		"\"https://ca/o\",\"renewalInfo\":\"https://ca/r\",\"meta\":{\"termsOfService\":"
		"\"data:text/plain,x\",\"externalAccountRequired\":true}}");
	struct acme_directory d = {0};

	(void)state;
	assert_int_equal(acme_directory_parse(&reply, &d), 0);
	assert_string_equal(d.new_order, "https://ca/o");
	assert_string_equal(d.terms, "data:text/plain,x");
	assert_true(d.binding_required);
	acme_directory_finish(&d);
}

static void refuses_what_is_no_directory(void **state)
{
	static const char *const bodies[] = {
		"",
		"[]",
		"{}",
		"<html>",
		"{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\"}",
		"{\"newNonce\":\"http://ca/\",\"newAccount\":\"https://ca/\",\"newOrder\":"
		"\"https://ca/\"}",
		"{\"newNonce\":\"https://ca/ "
		"x\",\"newAccount\":\"https://ca/\",\"newOrder\":\"https://ca/\"}",
		"{\"newNonce\":1,\"newAccount\":\"https://ca/\",\"newOrder\":\"https://ca/\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const struct http_reply reply = reply_of(bodies[i]);
		struct acme_directory d = {0};

		assert_int_equal(acme_directory_parse(&reply, &d), -EBADMSG);
		assert_null(d.new_nonce);
	}
}

static void reads_orders(void **state)
{
	static const struct {
		const char *body;
		int result;
		enum acme_status status;
	} cases[] = {
		{"{\"status\":\"pending\",\"finalize\":\"https://ca/f\",\"authorizations\":["
		 "\"https://ca/1\",\"https://ca/2\"]}",
		 0, ACME_PENDING},
		{"{\"status\":\"valid\",\"finalize\":\"https://ca/f\",\"certificate\":\"https://ca/"
		 "c\",\"authorizations\":[\"https://ca/1\"]}",
		 0, ACME_VALID},
		{"{\"status\":\"revoked\",\"finalize\":\"https://ca/f\",\"authorizations\":["
		 "\"https://ca/1\"]}",
		 0, ACME_INVALID},
		{"{\"status\":\"valid\",\"finalize\":\"https://ca/f\",\"authorizations\":["
		 "\"https://ca/1\"]}",
		 -EBADMSG, 0},
		{"{\"status\":\"ready\",\"finalize\":\"https://ca/f\",\"authorizations\":[]}",
		 -EBADMSG, 0},
		{"{\"status\":\"ready\",\"finalize\":\"https://ca/f\",\"authorizations\":[7]}",
		 -EBADMSG, 0},
		{"{\"status\":\"ready\",\"authorizations\":[\"https://ca/1\"]}", -EBADMSG, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct http_reply reply = reply_of(cases[i].body);
		struct acme_order order = {0};

		assert_int_equal(acme_order_parse(&reply, &order), cases[i].result);
		if (cases[i].result == 0)
			assert_int_equal(order.status, cases[i].status);
		acme_order_finish(&order);
	}
}

#define CHALLENGE(type, more)                                                                      \
	"{\"type\":\"" type "\",\"url\":\"https://ca/c\",\"token\":\"abc\",\"status\":"            \
	"\"pending\"" more "}"

static void reads_authorizations(void **state)
{
	const struct http_reply reply = reply_of(
		"{\"status\":\"pending\",\"wildcard\":true,\"identifier\":{\"type\":\"dns\","
		"\"value\":\"*.a.example\"},\"challenges\":[" CHALLENGE("dns-01", "") "," CHALLENGE(
			"http-01", ",\"error\":{\"type\":\"urn:ietf:params:acme:error:dns\","
				   "\"detail\":\"no such\\u0007name\"}") "]}");
	struct acme_authz z = {0};

	(void)state;
	assert_int_equal(acme_authz_parse(&reply, "http-01", &z), 0);
	assert_string_equal(z.name, "a.example");
	assert_string_equal(z.offered, "dns-01, http-01");
	assert_string_equal(z.token, "abc");
	assert_true(z.failed);
	assert_string_equal(z.problem.text, "dns: no such name");
	acme_authz_finish(&z);
	assert_int_equal(acme_authz_parse(&reply, "dns-01", &z), 0);
	assert_false(z.failed);
	acme_authz_finish(&z);
	assert_int_equal(acme_authz_parse(&reply, "tls-alpn-01", &z), 0);
	assert_null(z.url);
	acme_authz_finish(&z);
}

/* A token goes into paths and URLs: RFC 8555 section 8.1 allows base64url alone. */
static void refuses_tokens_that_are_none(void **state)
{
	static const char *const tokens[] = {"", "../x", "a/b", "a.b", "a%00", "a b", "a=", "é"};

	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		char body[400];
		struct acme_authz z = {0};
		struct http_reply reply;

		snprintf(body, sizeof(body),
			 "{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a\"}"
			 ",\"challenges\":[{\"type\":\"http-01\",\"url\":\"https://ca/c\","
			 "\"token\":\"%s\",\"status\":\"pending\"}]}",
			 tokens[i]);
		reply = reply_of(body);
		assert_int_equal(acme_authz_parse(&reply, "http-01", &z), -EBADMSG);
	}
}

static GENERAL_NAMES *names_of(const char *const *list)
{
	GENERAL_NAMES *names = NULL;
	const char *bad;

	assert_int_equal(names_build(list, &names, &bad), 0);
	return names;
}

static void asks_for_each_name_once(void **state)
{
	static const char *const list[] = {"A.example", "a.example", "*.b", "10.0.0.1", NULL};
	GENERAL_NAMES *names = names_of(list);
	cleanup_json json_t *request = acme_order_request(names, 0);
	cleanup_json json_t *dated = acme_order_request(names, NOW);
	cleanup_free char *text = json_dumps(request, JSON_COMPACT);
	struct http_reply reply = reply_of(text);
	const struct http_reply other = reply_of("{\"identifiers\":[{\"type\":\"dns\",\"value\":"
						 "\"a.example\"}]}");

	(void)state;
	assert_string_equal(text, "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"a.example\"},"
				  "{\"type\":\"dns\",\"value\":\"*.b\"},{\"type\":\"ip\",\"value\":"
				  "\"10.0.0.1\"}]}");
	assert_true(acme_order_is_for(&reply, names));
	assert_string_equal(json_text(dated, "notAfter"), "2027-01-15T08:00:00Z");
	assert_false(acme_order_is_for(&other, names));
	GENERAL_NAMES_free(names);
}

/* -- problems -------------------------------------------------------------------------------- */

static void problems_are_told_whole(void **state)
{
	struct http_reply reply =
		reply_of("{\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\",\"detail\":"
			 "\"two of them\",\"subproblems\":[{\"type\":\"x\",\"detail\":\"bad\","
			 "\"identifier\":{\"type\":\"dns\",\"value\":\"a\"}},{\"detail\":\"worse\","
			 "\"identifier\":{\"value\":\"b\"}}, 7]}");
	char why[CA_WHY_SIZE] = "";
	enum acme_error error;

	(void)state;
	reply.status = 400;
	assert_int_equal(acme_judge(&reply, "POST https://ca/o", NOW, &error, why), CA_REFUSED);
	assert_int_equal(error, ACME_ERROR_OTHER);
	assert_string_equal(
		why, "POST https://ca/o: HTTP 400: rejectedIdentifier: two of them (a: bad; b: "
		     "worse); the CA does not issue for this name; check sans, and the CA's "
		     "policy");
}

static void verdicts_of_problems(void **state)
{
	static const struct {
		long status;
		const char *type;
		enum ca_verdict verdict;
		enum acme_error error;
	} cases[] = {
		{400, "badNonce", CA_RETRY, ACME_ERROR_BAD_NONCE},
		{400, "accountDoesNotExist", CA_RETRY, ACME_ERROR_NO_ACCOUNT},
		{403, "orderNotReady", CA_RETRY, ACME_ERROR_NOT_READY},
		{429, "rateLimited", CA_RETRY, ACME_ERROR_OTHER},
		{403, "rateLimited", CA_RETRY, ACME_ERROR_OTHER},
		{500, "malformed", CA_RETRY, ACME_ERROR_OTHER},
		{401, "externalAccountRequired", CA_REFUSED, ACME_ERROR_OTHER},
		{403, "unauthorized", CA_DENIED, ACME_ERROR_OTHER},
		{400, "somethingNew", CA_REFUSED, ACME_ERROR_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char body[200], why[CA_WHY_SIZE] = "";
		struct http_reply reply;
		enum acme_error error;

		snprintf(body, sizeof(body),
			 "{\"type\":\"urn:ietf:params:acme:error:%s\",\"detail\":\"d\"}",
			 cases[i].type);
		reply = reply_of(body);
		reply.status = cases[i].status;
		assert_int_equal(acme_judge(&reply, "POST x", NOW, &error, why), cases[i].verdict);
		assert_int_equal(error, cases[i].error);
		assert_non_null(strstr(why, cases[i].type));
	}
}

/* -- addresses to listen on ------------------------------------------------------------------ */

static void reads_addresses(void **state)
{
	static const char *const bad[] = {
		"",	   "80",      ":",	  ":0",		  ":65536",
		":80x",	   ":-1",     "a:80",	  "localhost:80", "::80",
		"[::1]80", "[::1:80", "1.2.3:80", ": 80",	  "[]:80"};
	struct sockaddr_storage at;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&at;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&at;

	(void)state;
	assert_int_equal(acme_listen_parse(":80", &at), 0);
	assert_true(v6->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr));
	assert_int_equal(v6->sin6_port, htons(80));
	assert_int_equal(acme_listen_parse("127.0.0.1:8080", &at), 0);
	assert_true(v4->sin_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	assert_int_equal(v4->sin_port, htons(8080));
	assert_int_equal(acme_listen_parse("[::1]:443", &at), 0);
	assert_true(v6->sin6_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(acme_listen_parse(bad[i], &at), -EINVAL);
}

static void origins_of_urls(void **state)
{
	cleanup_free char *whole = acme_origin("https://ca.example:9000/acme/x?y");
	cleanup_free char *bare = acme_origin("https://ca.example");

	(void)state;
	assert_string_equal(whole, "https://ca.example:9000");
	assert_string_equal(bare, "https://ca.example");
	assert_null(acme_origin("http://ca.example/"));
	assert_null(acme_origin("https:///x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(macs_as_in_rfc_7520_section_4_4),
		cmocka_unit_test(macs_nothing_else),
		cmocka_unit_test(an_empty_payload_is_signed),
		cmocka_unit_test(the_public_half_of_an_account_key),
		cmocka_unit_test(coordinates_have_a_fixed_width),
		cmocka_unit_test(key_authorizations_as_in_rfc_8555_section_8),
		cmocka_unit_test(server_names_as_in_rfc_8738_section_6),
		cmocka_unit_test(certificates_as_in_rfc_8737_section_3),
		cmocka_unit_test(reads_a_directory),
		cmocka_unit_test(refuses_what_is_no_directory),
		cmocka_unit_test(reads_orders),
		cmocka_unit_test(reads_authorizations),
		cmocka_unit_test(refuses_tokens_that_are_none),
		cmocka_unit_test(asks_for_each_name_once),
		cmocka_unit_test(problems_are_told_whole),
		cmocka_unit_test(verdicts_of_problems),
		cmocka_unit_test(reads_addresses),
		cmocka_unit_test(origins_of_urls),
	};

	return cmocka_run_group_tests_name("stepca/acme", tests, NULL, NULL);
}
