/*
 * Feeds any bytes to what opens a provisioner's key: the JWE that the CA publishes, and the JWK
 * that is in it. The first byte says what the rest is taken for.
 */
#include "common/json.h"
#include "common/mem.h"
#include "stepca/jwe.h"
#include "stepca/jwk.h"

#include "input.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In OpenSSL's place: no password is worth seconds here, and a key of zeros lets the corpus go on.
 */
int PKCS5_PBKDF2_HMAC(const char *pass, int passlen, const unsigned char *salt, int saltlen,
		      int iter, const EVP_MD *digest, int keylen, unsigned char *out)
{
	(void)pass;
	(void)passlen;
	(void)digest;
	assert(salt && saltlen > 0 && iter > 0 && iter <= JWE_ROUNDS_MAX);
	memset(out, 0, (size_t)keylen);
	return 1;
}

static void take_jwk(const char *text, size_t len)
{
	cleanup_json json_t *jwk = json_parse_object(text, len);
	cleanup_free char *thumbprint = NULL;
	EVP_PKEY *key = NULL;

	if (!jwk)
		return;
	thumbprint = jwk_thumbprint(jwk);
	assert(!thumbprint || strlen(thumbprint) == 43);
	if (jwk_private(jwk, &key) == 0)
		assert(key && EVP_PKEY_get_bits(key) > 0);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static void take_jwe(const char *text)
{
	cleanup_free uint8_t *opened = NULL;
	size_t len = 0;

	if (jwe_open(text, "password", &opened, &len) == 0)
		take_jwk((const char *)opened, len);
	ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = input_text(data, size);

	if (!text)
		return 0;
	if (data[0] % 2)
		take_jwk(text, strlen(text));
	else
		take_jwe(text);
	return 0;
}
