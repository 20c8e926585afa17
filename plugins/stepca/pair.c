#include "stepca/pair.h"

#include "common/mem.h"
#include "common/pem.h"
#include "stepca/key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 20 };

static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

char *file_read(const char *path, size_t *ret_len)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	struct stat st;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return NULL;
	len = read_all(fd, text, (size_t)st.st_size);
	if (len < 0)
		return NULL;
	text[len] = '\0';
	*ret_len = (size_t)len;
	return steal(&text);
}

static int read_chain(const char *path, STACK_OF(X509) * *ret_chain)
{
	size_t len = 0;
	cleanup_free char *text = file_read(path, &len);
	cleanup_certs STACK_OF(X509) *chain = NULL;
	int n;

	if (!text)
		return errno == ENOMEM ? -ENOMEM : 0;
	n = pem_parse_certs(text, len, &chain);
	if (n > 0)
		*ret_chain = steal(&chain);
	return n == -ENOMEM ? n : 0;
}

int pair_read(struct pair *pair, const char *cert_path, const char *key_path)
{
	int r = read_chain(cert_path, &pair->chain);

	pair->key_error = key_read(key_path, &pair->key);
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
