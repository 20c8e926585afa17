#include "stepca/pair.h"

#include "common/file.h"
#include "common/mem.h"
#include "common/pem.h"
#include "stepca/key.h"
#include "stepca/secret.h"

#include <errno.h>
#include <openssl/err.h>

enum { FILE_MAX = 1 << 20 };

char *file_read(const char *path, size_t *ret_len)
{
	char *text = NULL;
	int r = file_load(path, FILE_MAX, &text, ret_len);

	if (r < 0)
		errno = -r;
	return text;
}

static int read_chain(const char *path, STACK_OF(X509) * *ret_chain)
{
	size_t len = 0;
	cleanup_secret char *text = file_read(path, &len); /* the key may be in it, too */
	cleanup_certs STACK_OF(X509) *chain = NULL;
	int n;

	if (!text)
		return errno == ENOMEM ? -ENOMEM : 0;
	n = pem_parse_certs(text, len, &chain);
	if (n > 0)
		*ret_chain = steal(&chain);
	return n == -ENOMEM ? n : 0;
}

int pair_read(struct pair *pair, const char *cert_path, const char *key_path, const char *password)
{
	int r = read_chain(cert_path, &pair->chain);

	pair->key_error = key_read(key_path, password, &pair->key);
	if (r < 0 || pair->key_error == -ENOMEM)
		return -ENOMEM;
	if (!pair->chain || !pair->key)
		return PAIR_BROKEN;
	r = X509_check_private_key(pair_leaf(pair), pair->key) == 1 ? PAIR_WHOLE : PAIR_BROKEN;
	ERR_clear_error();
	return r;
}

void pair_finish(struct pair *pair)
{
	sk_X509_pop_free(pair->chain, X509_free);
	EVP_PKEY_free(pair->key);
	*pair = (struct pair){0};
}

X509 *pair_leaf(const struct pair *pair)
{
	return pair->chain ? sk_X509_value(pair->chain, 0) : NULL;
}
