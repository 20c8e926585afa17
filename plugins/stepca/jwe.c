#include "stepca/jwe.h"

#include "common/json.h"
#include "common/mem.h"
#include "stepca/b64.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

enum part { HEADER, WRAPPED_KEY, IV, CIPHERTEXT, TAG, N_PARTS };

struct jwe {
	size_t header_len; /* of the base64url text, which is the additional data */
	struct {
		uint8_t *data;
		size_t len;
	} part[N_PARTS];
	json_t *header;
	uint8_t *salt; /* "p2s" */
	size_t salt_len;
	json_int_t rounds; /* "p2c" */
	size_t key_len;	   /* of the content's key: 16 or 32 */
};

static const char alg[] = "PBES2-HS256+A128KW";

static void jwe_finish(struct jwe *jwe)
{
	for (int i = 0; i < N_PARTS; i++)
		free(jwe->part[i].data);
	json_decref(jwe->header);
	free(jwe->salt);
}

static void cipher_freep(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(*ctx);
}

static int split(struct jwe *jwe, const char *text)
{
	for (int i = 0; i < N_PARTS; i++) {
		size_t len = strcspn(text, ".");
		int r = b64url_decode(text, len, &jwe->part[i].data, &jwe->part[i].len);

		if (r < 0)
			return r;
		if (i == HEADER)
			jwe->header_len = len;
		if (!text[len] != (i == TAG))
			return -EINVAL;
		text += len + 1;
	}
	return 0;
}

static int parse_header(struct jwe *jwe)
{
	const char *enc, *its_alg, *salt;

	jwe->header = json_parse_object((char *)jwe->part[HEADER].data, jwe->part[HEADER].len);
	if (!jwe->header)
		return -EINVAL;
	its_alg = json_text(jwe->header, "alg");
	enc = json_text(jwe->header, "enc");
	salt = json_text(jwe->header, "p2s");
	jwe->rounds = json_integer_value(json_object_get(jwe->header, "p2c"));
	if (!its_alg || !enc || !salt || jwe->rounds < 1)
		return -EINVAL;
	if (strcmp(its_alg, alg) != 0 || jwe->rounds > JWE_ROUNDS_MAX)
		return -ENOTSUP;
	if (strcmp(enc, "A128GCM") == 0)
		jwe->key_len = 16;
	else if (strcmp(enc, "A256GCM") == 0)
		jwe->key_len = 32;
	else
		return -ENOTSUP;
	return b64url_decode(salt, strlen(salt), &jwe->salt, &jwe->salt_len);
}

/* PBKDF2 with the salt of RFC 7518 section 4.8.1.1: the name, a zero byte, p2s. */
static int derive(const struct jwe *jwe, const char *password, uint8_t kek[static 16])
{
	size_t len = sizeof(alg) + jwe->salt_len;
	cleanup_free uint8_t *salt = malloc(len);

	if (!salt)
		return -ENOMEM;
	memcpy(salt, alg, sizeof(alg));
	memcpy(salt + sizeof(alg), jwe->salt, jwe->salt_len);
	return PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, (int)len, (int)jwe->rounds,
				 EVP_sha256(), 16, kek) == 1
		       ? 0
		       : -ENOMEM;
}

/* AES key wrap (RFC 3394): its own check value tells a wrong password. */
static int unwrap(const struct jwe *jwe, const uint8_t kek[static 16], uint8_t cek[static 40])
{
	cleanup_with(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len = 0;

	if (!ctx)
		return -ENOMEM;
	if (jwe->part[WRAPPED_KEY].len != jwe->key_len + 8)
		return -EINVAL;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_DecryptInit_ex(ctx, EVP_aes_128_wrap(), NULL, kek, NULL) != 1)
		return -ENOMEM;
	if (EVP_DecryptUpdate(ctx, cek, &len, jwe->part[WRAPPED_KEY].data,
			      (int)jwe->part[WRAPPED_KEY].len) != 1 ||
	    len != (int)jwe->key_len)
		return -EACCES;
	return 0;
}

static int decrypt(const struct jwe *jwe, const char *text, const uint8_t *cek, uint8_t *out)
{
	cleanup_with(cipher_freep) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *cipher = jwe->key_len == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
	int len = 0;

	if (!ctx)
		return -ENOMEM;
	if (EVP_DecryptInit_ex(ctx, cipher, NULL, cek, jwe->part[IV].data) != 1 ||
	    EVP_DecryptUpdate(ctx, NULL, &len, (const uint8_t *)text, (int)jwe->header_len) != 1 ||
	    EVP_DecryptUpdate(ctx, out, &len, jwe->part[CIPHERTEXT].data,
			      (int)jwe->part[CIPHERTEXT].len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, jwe->part[TAG].data) != 1 ||
	    EVP_DecryptFinal_ex(ctx, out + len, &len) != 1)
		return -EACCES;
	return 0;
}

int jwe_open(const char *text, const char *password, uint8_t **ret, size_t *ret_len)
{
	cleanup_with(jwe_finish) struct jwe jwe = {0};
	uint8_t kek[16], cek[40], *out = NULL;
	size_t len;
	int r;

	if (strlen(text) > INT_MAX / 2 || strlen(password) > INT_MAX / 2)
		return -EINVAL;
	r = split(&jwe, text);
	if (r == 0)
		r = parse_header(&jwe);
	if (r < 0)
		return r;
	if (jwe.part[IV].len != 12 || jwe.part[TAG].len != 16)
		return -EINVAL;
	len = jwe.part[CIPHERTEXT].len;
	out = calloc(1, len + 1);
	r = out ? derive(&jwe, password, kek) : -ENOMEM;
	if (r == 0)
		r = unwrap(&jwe, kek, cek);
	if (r == 0)
		r = decrypt(&jwe, text, cek, out);
	OPENSSL_cleanse(kek, sizeof(kek));
	OPENSSL_cleanse(cek, sizeof(cek));
	if (r < 0) {
		if (out)
			OPENSSL_cleanse(out, len);
		free(out);
		return r;
	}
	*ret = out;
	*ret_len = len;
	return 0;
}
