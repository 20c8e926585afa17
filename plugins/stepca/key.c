#include "stepca/key.h"

#include "common/file.h"
#include "common/mem.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };

static const struct {
	const char *word;
	const char *name; /* EVP_PKEY_is_a() */
	const char *curve;
	int bits;
} types[] = {
	[KEY_EC_P256] = {"ec-p256", "EC", "P-256", 256},
	[KEY_EC_P384] = {"ec-p384", "EC", "P-384", 384},
	[KEY_RSA_2048] = {"rsa-2048", "RSA", NULL, 2048},
	[KEY_RSA_3072] = {"rsa-3072", "RSA", NULL, 3072},
	[KEY_RSA_4096] = {"rsa-4096", "RSA", NULL, 4096},
	[KEY_ED25519] = {"ed25519", "ED25519", NULL, 0},
};

enum key_type key_type_of(const char *word)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].word, word) == 0)
			return (enum key_type)i;
	return KEY_EC_P256;
}

bool key_type_slow(enum key_type type)
{
	return strcmp(types[type].name, "RSA") == 0;
}

EVP_PKEY *key_generate(enum key_type type)
{
	if (types[type].curve)
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", types[type].curve);
	if (types[type].bits)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)types[type].bits);
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

bool key_is(const EVP_PKEY *key, enum key_type type)
{
	return EVP_PKEY_is_a(key, types[type].name) &&
	       (!types[type].bits || EVP_PKEY_get_bits(key) == types[type].bits);
}

/*
 * A decoder that is kept, and where it puts its result. To make one, OpenSSL 3.0 looks at all that
 * it knows, which takes 330 us; the decoding itself takes 20.
 */
static struct {
	OSSL_DECODER_CTX *context;
	EVP_PKEY *key;
} decoder;

static EVP_PKEY *decode_der(const unsigned char *der, size_t len)
{
	if (!decoder.context)
		decoder.context = OSSL_DECODER_CTX_new_for_pkey(&decoder.key, "DER", NULL, NULL,
								EVP_PKEY_KEYPAIR, NULL, NULL);
	return decoder.context && OSSL_DECODER_from_data(decoder.context, &der, &len) == 1
		       ? steal(&decoder.key)
		       : NULL;
}

struct asked {
	const char *password; /* NULL: none */
	bool encrypted;
};

/* OpenSSL must never ask on a terminal: it asks us, and we note that it did. */
static int give_password(char *buf, int size, int rwflag, void *data)
{
	struct asked *asked = data;
	size_t len = asked->password ? strlen(asked->password) : 0;

	(void)rwflag;
	asked->encrypted = true;
	if (len == 0 || len > (size_t)size)
		return -1;
	memcpy(buf, asked->password, len);
	return (int)len;
}

static bool is_plain_key(const char *name, const char *header)
{
	size_t len = strlen(name), cut = strlen("PRIVATE KEY");

	return len >= cut && strcmp(name + len - cut, "PRIVATE KEY") == 0 && !*header &&
	       strcmp(name, PEM_STRING_PKCS8) != 0;
}

/* The first private key, where it is in plain text, as most are. */
static EVP_PKEY *decode_plain(const char *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	char *name, *header;
	unsigned char *der;
	long der_len;
	EVP_PKEY *key = NULL;

	while (!key && bio &&
	       PEM_read_bio_ex(bio, &name, &header, &der, &der_len, PEM_FLAG_SECURE)) {
		if (is_plain_key(name, header))
			key = decode_der(der, (size_t)der_len);
		OPENSSL_secure_clear_free(der, (size_t)der_len);
		OPENSSL_secure_free(header);
		OPENSSL_secure_free(name);
	}
	BIO_free(bio);
	return key;
}

/* Any key, wherever it is in the text. */
static EVP_PKEY *decode_pem(const char *pem, size_t len, struct asked *asked)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_password, asked) : NULL;

	BIO_free(bio);
	return key;
}

int key_read(const char *path, const char *password, EVP_PKEY **ret_key)
{
	struct asked asked = {password, false};
	size_t len = 0;
	char *pem = NULL;
	EVP_PKEY *key;
	int r = file_load(path, FILE_MAX, &pem, &len);

	if (r < 0)
		return r == -EINVAL || r == -EFBIG ? -EBADMSG : r;
	key = decode_plain(pem, len);
	if (!key)
		key = decode_pem(pem, len, &asked);
	key_free_pem(pem, len);
	ERR_clear_error();
	if (!key)
		return asked.encrypted ? -EKEYREJECTED : -EBADMSG;
	*ret_key = key;
	return 0;
}

char *key_to_pem(const EVP_PKEY *key, const char *password, size_t *ret_len)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	const EVP_CIPHER *cipher = password ? EVP_aes_256_cbc() : NULL;
	int password_len = password ? (int)strlen(password) : 0;
	char *data, *pem = NULL;
	long len = 0;

	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, password, password_len, NULL,
						 NULL) == 1)
		len = BIO_get_mem_data(bio, &data);
	if (len > 0)
		pem = strndup(data, (size_t)len);
	BIO_free(bio); /* secmem is wiped */
	if (pem)
		*ret_len = (size_t)len;
	return pem;
}

void key_free_pem(char *pem, size_t len)
{
	if (pem)
		OPENSSL_cleanse(pem, len);
	free(pem);
}

const EVP_MD *key_digest(const EVP_PKEY *key)
{
	if (EVP_PKEY_is_a(key, "ED25519"))
		return NULL;
	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) > 256 ? EVP_sha384()
									: EVP_sha256();
}
