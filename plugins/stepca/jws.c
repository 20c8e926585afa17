#include "stepca/jws.h"

#include "common/json.h"
#include "common/mem.h"
#include "stepca/b64.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

struct algorithm {
	const char *name;
	const char *key;    /* EVP_PKEY_is_a() */
	const char *digest; /* NULL: inside the algorithm */
	int bits;	    /* an elliptic curve's, else 0 */
	int padding;	    /* RSA's */
};

/* RFC 7518 section 3.1, RFC 8037 section 3.1. The first that fits a key is its default. */
static const struct algorithm algorithms[] = {
	{"ES256", "EC", "SHA256", 256, 0},
	{"ES384", "EC", "SHA384", 384, 0},
	{"ES512", "EC", "SHA512", 521, 0},
	{"RS256", "RSA", "SHA256", 0, RSA_PKCS1_PADDING},
	{"RS384", "RSA", "SHA384", 0, RSA_PKCS1_PADDING},
	{"RS512", "RSA", "SHA512", 0, RSA_PKCS1_PADDING},
	{"PS256", "RSA", "SHA256", 0, RSA_PKCS1_PSS_PADDING},
	{"PS384", "RSA", "SHA384", 0, RSA_PKCS1_PSS_PADDING},
	{"PS512", "RSA", "SHA512", 0, RSA_PKCS1_PSS_PADDING},
	{"EdDSA", "ED25519", NULL, 0, 0},
};

/* Where name is NULL: the first that fits the key. */
static const struct algorithm *find(const EVP_PKEY *key, const char *name)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		const struct algorithm *a = &algorithms[i];

		if (name && strcmp(a->name, name) != 0)
			continue;
		if (EVP_PKEY_is_a(key, a->key) && (!a->bits || a->bits == EVP_PKEY_get_bits(key)))
			return a;
	}
	return NULL;
}

const char *jws_algorithm(const EVP_PKEY *key)
{
	const struct algorithm *a = find(key, NULL);

	return a ? a->name : NULL;
}

static void ctx_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

/* The signature as OpenSSL makes it. Free *ret with free(3). */
static int sign(EVP_PKEY *key, const struct algorithm *a, const char *text, uint8_t **ret,
		size_t *ret_len)
{
	cleanup_with(ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	cleanup_free uint8_t *out = NULL;
	EVP_PKEY_CTX *pctx = NULL;
	size_t len = 0;

	if (!ctx || EVP_DigestSignInit_ex(ctx, &pctx, a->digest, NULL, NULL, key, NULL) != 1)
		return -EINVAL;
	if (a->padding && EVP_PKEY_CTX_set_rsa_padding(pctx, a->padding) != 1)
		return -EINVAL;
	if (a->padding == RSA_PKCS1_PSS_PADDING &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) != 1)
		return -EINVAL;
	if (EVP_DigestSign(ctx, NULL, &len, (const uint8_t *)text, strlen(text)) != 1)
		return -EINVAL;
	out = malloc(len);
	if (!out)
		return -ENOMEM;
	if (EVP_DigestSign(ctx, out, &len, (const uint8_t *)text, strlen(text)) != 1)
		return -EINVAL;
	*ret = steal(&out);
	*ret_len = len;
	return 0;
}

/* ECDSA's DER sequence as r and s of fixed width, in place: RFC 7518 section 3.4. */
static int flatten(uint8_t **sig, size_t *len, int bits)
{
	const uint8_t *der = *sig;
	ECDSA_SIG *rs = d2i_ECDSA_SIG(NULL, &der, (long)*len);
	int width = (bits + 7) / 8;
	uint8_t *out = rs ? malloc(2 * (size_t)width) : NULL;
	int r = -ENOMEM;

	if (out && BN_bn2binpad(ECDSA_SIG_get0_r(rs), out, width) == width &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(rs), out + width, width) == width) {
		free(*sig);
		*sig = steal(&out);
		*len = 2 * (size_t)width;
		r = 0;
	}
	free(out);
	ECDSA_SIG_free(rs);
	return r;
}

/* BASE64URL(header) . BASE64URL(payload), the JWS signing input. NULL: out of memory. */
static char *signing_input(const json_t *header, const char *payload)
{
	cleanup_free char *json = json_dumps(header, JSON_COMPACT);
	cleanup_free char *head = json ? b64url_encode(json, strlen(json)) : NULL;
	cleanup_free char *body = b64url_encode(payload, strlen(payload));
	char *text;

	return head && body && asprintf(&text, "%s.%s", head, body) >= 0 ? text : NULL;
}

/* Puts the signature behind its input. */
static int join(const char *text, const uint8_t *sig, size_t len, char **ret)
{
	cleanup_free char *tail = b64url_encode(sig, len);

	return tail && asprintf(ret, "%s.%s", text, tail) >= 0 ? 0 : -ENOMEM;
}

int jws_sign_text(EVP_PKEY *key, const json_t *header, const char *payload, char **ret)
{
	const char *name = json_text(header, "alg");
	const struct algorithm *a = name ? find(key, name) : NULL;
	cleanup_free char *text = signing_input(header, payload);
	cleanup_free uint8_t *sig = NULL;
	size_t len = 0;
	int r;

	if (!a)
		return -EINVAL;
	if (!text)
		return -ENOMEM;
	r = sign(key, a, text, &sig, &len);
	if (r == 0 && a->bits)
		r = flatten(&sig, &len, a->bits);
	return r < 0 ? r : join(text, sig, len, ret);
}

int jws_sign(EVP_PKEY *key, const json_t *header, const json_t *payload, char **ret)
{
	cleanup_free char *text = json_dumps(payload, JSON_COMPACT);

	return text ? jws_sign_text(key, header, text, ret) : -ENOMEM;
}

int jws_mac(const uint8_t *secret, size_t secret_len, const json_t *header, const char *payload,
	    char **ret)
{
	const char *name = json_text(header, "alg");
	cleanup_free char *text = signing_input(header, payload);
	uint8_t mac[EVP_MAX_MD_SIZE];
	size_t len = 0;

	if (!name || strcmp(name, "HS256") != 0)
		return -EINVAL;
	if (!text)
		return -ENOMEM;
	if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret, secret_len,
		       (const uint8_t *)text, strlen(text), mac, sizeof(mac), &len))
		return -EINVAL;
	return join(text, mac, len, ret);
}
