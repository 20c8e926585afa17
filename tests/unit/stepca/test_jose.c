/*
 * base64url, JSON Web Keys, signatures and encryption: the vectors of the RFCs, and what must be
 * refused
 */
#include "common/json.h"
#include "stepca/b64.h"
#include "stepca/jwe.h"
#include "stepca/jwk.h"
#include "stepca/jws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <string.h>

/* RFC 7515 appendix A.3.1 */
static const char es256_jwk[] = "{\"kty\":\"EC\",\"crv\":\"P-256\","
				"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\","
				"\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}";
static const char es256_jws[] =
	"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
	"LmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISl"
	"SApmWQxfKTUJqPP3-Kg6NU1Q";

/* RFC 8037 appendices A.1 and A.3 */
static const char okp_jwk[] = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
			      "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","
			      "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
static const char okp_thumbprint[] = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

/* RFC 7638 section 3.1 */
static const char rsa_jwk[] =
	"{\"kty\":\"RSA\",\"n\":"
	"\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1"
	"RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_"
	"RN5w6Cf0"
	"h4QyQ5v-65YGjQR0_"
	"FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qN"
	"Lyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
	"kEgU8awapJzKnqDK"
	"gw\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}";
static const char rsa_thumbprint[] = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

static json_t *parse(const char *text)
{
	json_t *json = json_parse_object(text, strlen(text));

	assert_non_null(json);
	return json;
}

static EVP_PKEY *key_of(const char *jwk)
{
	cleanup_json json_t *json = parse(jwk);
	EVP_PKEY *key = NULL;

	assert_int_equal(jwk_private(json, &key), 0);
	return key;
}

/* -- base64url ------------------------------------------------------------------------------ */

static void encodes_as_in_rfc_7515_appendix_c(void **state)
{
	static const uint8_t octets[] = {3, 236, 255, 224, 193};
	cleanup_free char *text = b64url_encode(octets, sizeof(octets));
	cleanup_free char *standard = b64_encode(octets, sizeof(octets));
	cleanup_free uint8_t *back = NULL;
	size_t len = 0;

	(void)state;
	assert_string_equal(text, "A-z_4ME");
	assert_string_equal(standard, "A+z/4ME=");
	assert_int_equal(b64url_decode(text, strlen(text), &back, &len), 0);
	assert_int_equal(len, sizeof(octets));
	assert_memory_equal(back, octets, len);
}

static void every_length_comes_back(void **state)
{
	uint8_t data[70];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 200);
	for (size_t n = 0; n <= sizeof(data); n++) {
		cleanup_free char *text = b64url_encode(data, n);
		cleanup_free uint8_t *back = NULL;
		size_t len = 99;

		assert_int_equal(b64url_decode(text, strlen(text), &back, &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(back, data, n);
	}
}

static void refuses_what_is_not_base64url(void **state)
{
	static const char *const bad[] = {"A",	  "AA==",  "A+A_",     "A/AA",
					  "AA A", "AAAAA", "\xc3\xa4_"};
	uint8_t *out = NULL;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(b64url_decode(bad[i], strlen(bad[i]), &out, &len), -EINVAL);
	assert_null(out);
}

/* -- keys ------------------------------------------------------------------------------------ */

static void thumbprints_of_the_rfcs(void **state)
{
	cleanup_json json_t *rsa = parse(rsa_jwk), *okp = parse(okp_jwk);
	cleanup_free char *of_rsa = jwk_thumbprint(rsa), *of_okp = jwk_thumbprint(okp);

	(void)state;
	assert_string_equal(of_rsa, rsa_thumbprint);
	assert_string_equal(of_okp, okp_thumbprint);
}

static void refuses_keys_that_do_not_fit_together(void **state)
{
	static const struct {
		const char *member, *value;
		int error;
	} bad[] = {
		{"kty", "oct", -ENOTSUP},
		{"crv", "secp256k1", -ENOTSUP},
		{"crv", "P-384", -EINVAL},
		{"x", "AAAA", -EINVAL},
		{"x", "", -EINVAL},
		{"d", "AAAA", -EINVAL},
		{"d", "not base64url!", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cleanup_json json_t *json = parse(es256_jwk);
		EVP_PKEY *key = NULL;

		json_object_set_new(json, bad[i].member, json_string(bad[i].value));
		assert_int_equal(jwk_private(json, &key), bad[i].error);
		json_object_del(json, bad[i].member);
		assert_true(jwk_private(json, &key) < 0);
		assert_null(key);
	}
}

/* -- signatures ------------------------------------------------------------------------------- */

/* Signatures are verified here by other means than those that make them. */
static bool verifies(EVP_PKEY *key, const char *jws, const EVP_MD *digest, int padding)
{
	const char *dot = strrchr(jws, '.');
	uint8_t *sig = NULL, *der = NULL;
	size_t len = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	bool ok;

	assert_int_equal(b64url_decode(dot + 1, strlen(dot + 1), &sig, &len), 0);
	if (EVP_PKEY_is_a(key, "EC")) {
		ECDSA_SIG *rs = ECDSA_SIG_new();

		assert_int_equal(len, 2 * ((EVP_PKEY_get_bits(key) + 7) / 8));
		ECDSA_SIG_set0(rs, BN_bin2bn(sig, (int)len / 2, NULL),
			       BN_bin2bn(sig + len / 2, (int)len / 2, NULL));
		len = (size_t)i2d_ECDSA_SIG(rs, &der);
		ECDSA_SIG_free(rs);
	}
	assert_int_equal(EVP_DigestVerifyInit(ctx, &pctx, digest, NULL, key), 1);
	if (padding)
		EVP_PKEY_CTX_set_rsa_padding(pctx, padding);
	ok = EVP_DigestVerify(ctx, der ? der : sig, len, (const uint8_t *)jws,
			      (size_t)(dot - jws)) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	free(sig);
	return ok;
}

static void the_key_and_signature_of_rfc_7515_a3(void **state)
{
	EVP_PKEY *key = key_of(es256_jwk);

	(void)state;
	assert_true(verifies(key, es256_jws, EVP_sha256(), 0));
	EVP_PKEY_free(key);
}

static void signs_with_every_kind_of_key(void **state)
{
	static const struct {
		const char *type, *param, *alg, *digest;
		bool by_default;
		int padding;
	} kinds[] = {
		{"EC", "P-256", "ES256", "SHA256", true, 0},
		{"EC", "P-384", "ES384", "SHA384", true, 0},
		{"EC", "P-521", "ES512", "SHA512", true, 0},
		{"RSA", "", "RS256", "SHA256", true, RSA_PKCS1_PADDING},
		{"RSA", "", "RS512", "SHA512", false, RSA_PKCS1_PADDING},
		{"RSA", "", "PS256", "SHA256", false, RSA_PKCS1_PSS_PADDING},
		{"ED25519", "", "EdDSA", "", true, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		EVP_PKEY *key =
			strcmp(kinds[i].type, "RSA") == 0
				? EVP_RSA_gen(2048)
				: EVP_PKEY_Q_keygen(NULL, NULL, kinds[i].type, kinds[i].param);
		cleanup_json json_t *header = json_pack("{ss}", "alg", kinds[i].alg);
		cleanup_json json_t *payload = json_pack("{ss}", "sub", "x");
		cleanup_free char *jws = NULL;

		if (kinds[i].by_default)
			assert_string_equal(jws_algorithm(key), kinds[i].alg);
		assert_int_equal(jws_sign(key, header, payload, &jws), 0);
		assert_true(verifies(
			key, jws, *kinds[i].digest ? EVP_get_digestbyname(kinds[i].digest) : NULL,
			kinds[i].padding));
		EVP_PKEY_free(key);
	}
}

static void refuses_an_algorithm_that_is_not_the_keys(void **state)
{
	static const char *const bad[] = {"ES384", "RS256", "EdDSA", "none", "HS256", ""};
	EVP_PKEY *key = key_of(es256_jwk);
	cleanup_json json_t *payload = json_object();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cleanup_json json_t *header = json_pack("{ss}", "alg", bad[i]);
		char *jws = NULL;

		assert_int_equal(jws_sign(key, header, payload, &jws), -EINVAL);
		assert_null(jws);
	}
	EVP_PKEY_free(key);
}

/* -- encryption ------------------------------------------------------------------------------- */

struct making {
	const char *enc;
	int rounds;
	size_t key_len;
};

/* A JWE by the other direction of the same primitives. Free with free(3). */
static char *make_jwe(const struct making *how, const char *password, const char *text)
{
	/* RFC 7518 section 4.8.1.1: the name of the algorithm, a zero byte, p2s. */
	static const char salt[] = "PBES2-HS256+A128KW\0"
				   "0123456789abcdef";
	static const uint8_t p2s[16] = "0123456789abcdef", iv[12] = "nonce-nonce-";
	uint8_t kek[16], cek[32] = "0123456789ABCDEF0123456789ABCDEF";
	uint8_t wrapped[40], body[512], tag[16];
	cleanup_free char *p2s_text = b64url_encode(p2s, sizeof(p2s));
	cleanup_json json_t *header = json_pack("{ss ss si ss}", "alg", "PBES2-HS256+A128KW", "enc",
						how->enc, "p2c", how->rounds, "p2s", p2s_text);
	cleanup_free char *dump = json_dumps(header, JSON_COMPACT);
	cleanup_free char *head = b64url_encode(dump, strlen(dump));
	cleanup_free char *key_part = NULL, *iv_part = NULL, *body_part = NULL, *tag_part = NULL;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len = 0, wrapped_len = 0, ignored = 0;
	char *jwe = NULL;

	PKCS5_PBKDF2_HMAC(password, -1, (const uint8_t *)salt, sizeof(salt) - 1, how->rounds,
			  EVP_sha256(), 16, kek);
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	EVP_EncryptInit_ex(ctx, EVP_aes_128_wrap(), NULL, kek, NULL);
	EVP_EncryptUpdate(ctx, wrapped, &wrapped_len, cek, (int)how->key_len);
	EVP_CIPHER_CTX_reset(ctx);
	EVP_EncryptInit_ex(ctx, how->key_len == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), NULL,
			   cek, iv);
	EVP_EncryptUpdate(ctx, NULL, &ignored, (uint8_t *)head, (int)strlen(head));
	EVP_EncryptUpdate(ctx, body, &len, (const uint8_t *)text, (int)strlen(text));
	EVP_EncryptFinal_ex(ctx, body + len, &ignored);
	EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag);
	EVP_CIPHER_CTX_free(ctx);
	key_part = b64url_encode(wrapped, (size_t)wrapped_len);
	iv_part = b64url_encode(iv, sizeof(iv));
	body_part = b64url_encode(body, (size_t)len);
	tag_part = b64url_encode(tag, sizeof(tag));
	assert_true(asprintf(&jwe, "%s.%s.%s.%s.%s", head, key_part, iv_part, body_part, tag_part) >
		    0);
	return jwe;
}

static void opens_what_step_makes(void **state)
{
	static const struct making kinds[] = {{"A128GCM", 1000, 16}, {"A256GCM", 1000, 32}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		cleanup_free char *jwe = make_jwe(&kinds[i], "secret", es256_jwk);
		cleanup_free uint8_t *text = NULL;
		size_t len = 0;

		assert_int_equal(jwe_open(jwe, "secret", &text, &len), 0);
		assert_int_equal(len, strlen(es256_jwk));
		assert_string_equal((char *)text, es256_jwk);
	}
}

/* Made by step-ca 0.19 (100,000 rounds, A256GCM), for this test alone. */
static void opens_one_of_a_real_ca(void **state)
{
	static const char jwe[] =
#include "real_jwe.h"
		;
	cleanup_free uint8_t *text = NULL;
	cleanup_free char *thumbprint = NULL;
	cleanup_json json_t *json = NULL;
	EVP_PKEY *key;
	size_t len = 0;

	(void)state;
	assert_int_equal(jwe_open(jwe, "secret", &text, &len), 0);
	key = key_of((char *)text);
	assert_string_equal(jws_algorithm(key), "ES256");
	EVP_PKEY_free(key);
	json = parse((char *)text);
	thumbprint = jwk_thumbprint(json);
	assert_string_equal(thumbprint, json_text(json, "kid"));
}

static void a_wrong_password_is_told_from_broken_text(void **state)
{
	const struct making how = {"A256GCM", 1000, 32};
	cleanup_free char *jwe = make_jwe(&how, "secret", "{}");
	uint8_t *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(jwe_open(jwe, "Secret", &text, &len), -EACCES);
	assert_int_equal(jwe_open(jwe, "", &text, &len), -EACCES);
	assert_int_equal(jwe_open("", "secret", &text, &len), -EINVAL);
	assert_int_equal(jwe_open("a.b.c", "secret", &text, &len), -EINVAL);
	*strrchr(jwe, '.') = '\0';
	assert_int_equal(jwe_open(jwe, "secret", &text, &len), -EINVAL);
	assert_null(text);
}

/* Any one character changed: no crash, no plaintext. */
static void every_changed_character_is_noticed(void **state)
{
	const struct making how = {"A128GCM", 1, 16};
	cleanup_free char *jwe = make_jwe(&how, "secret", "{\"a\":1}");
	size_t n = strlen(jwe);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		char before = jwe[i];
		uint8_t *text = NULL;
		size_t len;

		jwe[i] = before == 'A' ? 'Q' : 'A';
		assert_true(jwe_open(jwe, "secret", &text, &len) < 0);
		assert_null(text);
		jwe[i] = before;
	}
}

static void refuses_what_it_does_not_know(void **state)
{
	const struct making other = {"A128CBC-HS256", 1, 32}, many = {"A256GCM", 2, 32};
	cleanup_free char *a = make_jwe(&other, "secret", "{}");
	cleanup_free char *b = make_jwe(&many, "secret", "{}");
	/* The header of b with five million rounds in it. */
	cleanup_free char *head = NULL, *huge = NULL;
	static const char json[] = "{\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A256GCM\","
				   "\"p2c\":5000000,\"p2s\":\"AAAAAAAAAAAAAAAAAAAAAA\"}";
	uint8_t *text = NULL;
	size_t len;

	(void)state;
	head = b64url_encode(json, sizeof(json) - 1);
	assert_true(asprintf(&huge, "%s%s", head, strchr(b, '.')) > 0);
	assert_int_equal(jwe_open(a, "secret", &text, &len), -ENOTSUP);
	assert_int_equal(jwe_open(huge, "secret", &text, &len), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_as_in_rfc_7515_appendix_c),
		cmocka_unit_test(every_length_comes_back),
		cmocka_unit_test(refuses_what_is_not_base64url),
		cmocka_unit_test(thumbprints_of_the_rfcs),
		cmocka_unit_test(refuses_keys_that_do_not_fit_together),
		cmocka_unit_test(the_key_and_signature_of_rfc_7515_a3),
		cmocka_unit_test(signs_with_every_kind_of_key),
		cmocka_unit_test(refuses_an_algorithm_that_is_not_the_keys),
		cmocka_unit_test(opens_what_step_makes),
		cmocka_unit_test(opens_one_of_a_real_ca),
		cmocka_unit_test(a_wrong_password_is_told_from_broken_text),
		cmocka_unit_test(every_changed_character_is_noticed),
		cmocka_unit_test(refuses_what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
