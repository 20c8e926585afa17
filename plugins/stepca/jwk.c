#include "stepca/jwk.h"

#include "common/json.h"
#include "common/mem.h"
#include "stepca/b64.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdbool.h>
#include <string.h>

/* One member decoded. Wiped when it goes. */
struct bytes {
	uint8_t *data;
	size_t len;
};

static void bytes_finish(struct bytes *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->len);
	free(b->data);
}

static void build_freep(OSSL_PARAM_BLD **build)
{
	OSSL_PARAM_BLD_free(*build);
}

static void params_freep(OSSL_PARAM **params)
{
	OSSL_PARAM_free(*params);
}

static int member(const json_t *jwk, const char *name, struct bytes *ret)
{
	const char *text = json_text(jwk, name);

	return text ? b64url_decode(text, strlen(text), &ret->data, &ret->len) : -EINVAL;
}

static int key_from_params(const char *type, OSSL_PARAM_BLD *build, EVP_PKEY **ret_key)
{
	cleanup_with(params_freep) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;
	int r = -EINVAL;

	if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1) {
		*ret_key = key;
		r = 0;
	}
	EVP_PKEY_CTX_free(ctx);
	return r;
}

/* True where the private half belongs to the public one; a JWK may say anything. */
static bool key_consistent(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool ok = ctx && EVP_PKEY_pairwise_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* The uncompressed point (SEC 1 section 2.3.3). */
static int ec_point(const struct bytes *x, const struct bytes *y, struct bytes *ret)
{
	if (x->len != y->len || x->len == 0 || x->len > 66)
		return -EINVAL;
	ret->data = malloc(1 + 2 * x->len);
	if (!ret->data)
		return -ENOMEM;
	ret->len = 1 + 2 * x->len;
	ret->data[0] = 4;
	memcpy(ret->data + 1, x->data, x->len);
	memcpy(ret->data + 1 + x->len, y->data, y->len);
	return 0;
}

static int ec_private(const json_t *jwk, EVP_PKEY **ret_key)
{
	cleanup_with(bytes_finish) struct bytes x = {0}, y = {0}, d = {0}, point = {0};
	cleanup_with(build_freep) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	const char *curve = json_text(jwk, "crv");
	BIGNUM *scalar;
	int r;

	if (!build)
		return -ENOMEM;
	if (!curve || (strcmp(curve, "P-256") != 0 && strcmp(curve, "P-384") != 0 &&
		       strcmp(curve, "P-521") != 0))
		return -ENOTSUP;
	if (member(jwk, "x", &x) < 0 || member(jwk, "y", &y) < 0 || member(jwk, "d", &d) < 0)
		return -EINVAL;
	r = ec_point(&x, &y, &point);
	if (r < 0)
		return r;
	scalar = BN_secure_new();
	r = -EINVAL;
	if (scalar && BN_bin2bn(d.data, (int)d.len, scalar) &&
	    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.data,
					     point.len) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1)
		r = key_from_params("EC", build, ret_key);
	BN_clear_free(scalar);
	return r;
}

static int rsa_private(const json_t *jwk, EVP_PKEY **ret_key)
{
	/* RFC 7518 sections 6.3.1 and 6.3.2, and what OpenSSL calls them. */
	static const char *const names[][2] = {
		{"n", OSSL_PKEY_PARAM_RSA_N},	       {"e", OSSL_PKEY_PARAM_RSA_E},
		{"d", OSSL_PKEY_PARAM_RSA_D},	       {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
		{"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
		{"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
	};
	enum { N = sizeof(names) / sizeof(names[0]) };
	cleanup_with(build_freep) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *numbers[N] = {NULL};
	int r = build ? 0 : -ENOMEM;

	for (size_t i = 0; i < N && r == 0; i++) {
		cleanup_with(bytes_finish) struct bytes b = {0};

		r = member(jwk, names[i][0], &b);
		if (r < 0)
			break;
		numbers[i] = BN_bin2bn(b.data, (int)b.len, NULL);
		if (!numbers[i] || OSSL_PARAM_BLD_push_BN(build, names[i][1], numbers[i]) != 1)
			r = -ENOMEM;
	}
	if (r == 0)
		r = key_from_params("RSA", build, ret_key);
	for (size_t i = 0; i < N; i++)
		BN_clear_free(numbers[i]);
	return r;
}

static int okp_private(const json_t *jwk, EVP_PKEY **ret_key)
{
	cleanup_with(bytes_finish) struct bytes d = {0};
	const char *curve = json_text(jwk, "crv");
	EVP_PKEY *key;

	if (!curve || strcmp(curve, "Ed25519") != 0)
		return -ENOTSUP;
	if (member(jwk, "d", &d) < 0)
		return -EINVAL;
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, d.data, d.len);
	if (!key)
		return -EINVAL;
	*ret_key = key;
	return 0;
}

int jwk_private(const json_t *jwk, EVP_PKEY **ret_key)
{
	const char *type = json_text(jwk, "kty");
	EVP_PKEY *key = NULL;
	int r = -ENOTSUP;

	if (!type)
		return -EINVAL;
	if (strcmp(type, "EC") == 0)
		r = ec_private(jwk, &key);
	else if (strcmp(type, "RSA") == 0)
		r = rsa_private(jwk, &key);
	else if (strcmp(type, "OKP") == 0)
		r = okp_private(jwk, &key);
	if (r < 0)
		return r;
	if (!EVP_PKEY_is_a(key, "ED25519") && !key_consistent(key)) {
		EVP_PKEY_free(key);
		return -EINVAL;
	}
	*ret_key = key;
	return 0;
}

/* A coordinate of the public point: 32 bytes, whatever zeros it begins with. */
static char *coordinate(const EVP_PKEY *key, const char *param)
{
	BIGNUM *number = NULL;
	uint8_t bytes[32];
	char *text = NULL;

	if (EVP_PKEY_get_bn_param(key, param, &number) == 1 &&
	    BN_bn2binpad(number, bytes, sizeof(bytes)) == (int)sizeof(bytes))
		text = b64url_encode(bytes, sizeof(bytes));
	BN_free(number);
	return text;
}

json_t *jwk_public_p256(const EVP_PKEY *key)
{
	cleanup_free char *x = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X);
	cleanup_free char *y = coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y);

	if (!x || !y)
		return NULL;
	return json_pack("{ss ss ss ss}", "crv", "P-256", "kty", "EC", "x", x, "y", y);
}

/* RFC 7638 section 3.2, RFC 8037 section 2: the members that count, in lexicographic order. */
static char *canonical(const json_t *jwk)
{
	const char *type = json_text(jwk, "kty");
	const char *const *names;
	static const char *const ec[] = {"crv", "kty", "x", "y", NULL};
	static const char *const rsa[] = {"e", "kty", "n", NULL};
	static const char *const okp[] = {"crv", "kty", "x", NULL};
	cleanup_json json_t *only = json_object();

	if (!type || !only)
		return NULL;
	names = strcmp(type, "EC") == 0 ? ec : strcmp(type, "RSA") == 0 ? rsa : okp;
	for (; *names; names++) {
		const char *value = json_text(jwk, *names);

		if (!value || json_object_set_new(only, *names, json_string(value)) < 0)
			return NULL;
	}
	return json_dumps(only, JSON_COMPACT | JSON_SORT_KEYS);
}

char *jwk_thumbprint(const json_t *jwk)
{
	cleanup_free char *text = canonical(jwk);
	uint8_t digest[32];
	size_t len = sizeof(digest);

	if (!text || EVP_Q_digest(NULL, "SHA256", NULL, text, strlen(text), digest, &len) != 1)
		return NULL;
	return b64url_encode(digest, len);
}
