#include "stepca/token.h"

#include "common/json.h"
#include "common/mem.h"
#include "stepca/b64.h"
#include "stepca/jws.h"
#include "stepca/names.h"

#include <errno.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

enum { VALID_SECONDS = 300 };

/* 64 hex digits: what the CA remembers so that a token works once. */
static json_t *random_id(void)
{
	unsigned char bytes[32];
	char text[2 * sizeof(bytes) + 1];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return NULL;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_string(text);
}

static json_t *names_array(const GENERAL_NAMES *names)
{
	json_t *array = json_array();

	for (int i = 0; array && i < sk_GENERAL_NAME_num(names); i++) {
		cleanup_free char *text = name_text(sk_GENERAL_NAME_value(names, i));

		if (!text || json_array_append_new(array, json_string(text)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* What both kinds of token claim. NULL: out of memory. */
static json_t *claims_new(const char *audience, const char *issuer, const char *subject,
			  int64_t now_ms)
{
	json_int_t now = now_ms / 1000;

	return json_pack("{ss ss ss sI sI sI}", "aud", audience, "iss", issuer, "sub", subject,
			 "iat", now, "nbf", now, "exp", now + VALID_SECONDS);
}

/* The chain as "x5c" wants it: standard base64 of DER (RFC 7515 section 4.1.6). */
static json_t *chain_array(const STACK_OF(X509) * chain)
{
	json_t *array = json_array();

	for (int i = 0; array && i < sk_X509_num(chain); i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(sk_X509_value(chain, i), &der);
		cleanup_free char *text = len > 0 ? b64_encode(der, (size_t)len) : NULL;

		OPENSSL_free(der);
		if (!text || json_array_append_new(array, json_string(text)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* An x5c token is verified by the chain in its header, another one by the key that kid names. */
static json_t *header_new(const char *alg, const struct token_claims *claims)
{
	if (claims->chain)
		return json_pack("{ss ss so}", "alg", alg, "typ", "JWT", "x5c",
				 chain_array(claims->chain));
	return json_pack("{ss ss ss}", "alg", alg, "kid", claims->kid, "typ", "JWT");
}

/* What a token may do without: of a revocation it says no names and binds to no request. */
static int add_optional(json_t *payload, const struct token_claims *claims)
{
	if (claims->names && json_object_set_new(payload, "sans", names_array(claims->names)) < 0)
		return -ENOMEM;
	if (claims->user && json_object_set(payload, "user", (json_t *)claims->user) < 0)
		return -ENOMEM;
	if (!claims->confirmation)
		return 0;
	return json_object_set_new(payload, "cnf",
				   json_pack("{ss}", "x5rt#S256", claims->confirmation)) < 0
		       ? -ENOMEM
		       : 0;
}

int token_one_time(EVP_PKEY *key, const struct token_claims *claims, char **ret)
{
	const char *alg = claims->algorithm ? claims->algorithm : jws_algorithm(key);
	cleanup_json json_t *payload =
		claims_new(claims->audience, claims->issuer, claims->subject, claims->now_ms);
	cleanup_json json_t *header = alg ? header_new(alg, claims) : NULL;

	if (!alg)
		return -EINVAL;
	if (!header || !payload || json_object_set_new(payload, "jti", random_id()) < 0 ||
	    json_object_set_new(payload, "sha", json_string(claims->root)) < 0 ||
	    add_optional(payload, claims) < 0)
		return -ENOMEM;
	return jws_sign(key, header, payload, ret);
}

int token_renewal(EVP_PKEY *key, const STACK_OF(X509) * chain, const char *audience, int64_t now_ms,
		  char **ret)
{
	const char *alg = jws_algorithm(key);
	cleanup_json json_t *header = NULL, *payload = NULL;
	char subject[256] = "";

	if (!alg)
		return -EINVAL;
	X509_NAME_get_text_by_NID(X509_get_subject_name(sk_X509_value(chain, 0)), NID_commonName,
				  subject, sizeof(subject));
	header = json_pack("{ss ss}", "alg", alg, "typ", "JWT");
	payload = claims_new(audience, "step-ca-client/1.0", subject, now_ms);
	if (!header || !payload ||
	    json_object_set_new(header, "x5cInsecure", chain_array(chain)) < 0)
		return -ENOMEM;
	return jws_sign(key, header, payload, ret);
}
