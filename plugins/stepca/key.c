#include "stepca/key.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

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

struct asked {
	const char *password; /* NULL: none */
	bool encrypted;
};

/* PEM_read_PrivateKey() must never ask on a terminal: it asks us, and we note that it did. */
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

int key_read(const char *path, const char *password, EVP_PKEY **ret_key)
{
	cleanup_fclose FILE *file = NULL;
	struct asked asked = {password, false};
	EVP_PKEY *key;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EBADMSG;
	setvbuf(file, NULL, _IONBF, 0); /* no copy of the key stays in a buffer */
	key = PEM_read_PrivateKey(file, NULL, give_password, &asked);
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
