#include "trust/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

#define FILE_MAX (16u << 20)

static const struct store_type *const types[] = {&store_system, &store_bundle};

int store_create(const struct store_env *env, const char *spec, struct store **ret,
		 const char **ret_why)
{
	size_t len = strcspn(spec, ":");
	const char *arg = spec[len] ? spec + len + 1 : "";
	int r;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (strlen(types[i]->scheme) != len || memcmp(types[i]->scheme, spec, len) != 0)
			continue;
		r = types[i]->create(env, arg, ret, ret_why);
		if (r == 0) {
			(*ret)->type = types[i];
			(*ret)->env = env;
			(*ret)->spec = spec;
			(*ret)->tally.next = INT64_MAX;
		}
		return r;
	}
	*ret_why = "is no kind of store; write system or bundle:/path/to/file.pem";
	return -EINVAL;
}

int32_t store_status(int error)
{
	switch (-error) {
	case ENOSPC:
	case EDQUOT:
	case EIO:
	case ENOMEM:
	case EAGAIN:
	case EBUSY:
	case EMFILE:
	case ENFILE:
		return HC_RETRY;
	default:
		return HC_FAILED;
	}
}

const char *store_hint(int error)
{
	switch (-error) {
	case EROFS:
		return "; under systemd the unit needs the drop-in for trust, see its README";
	case EACCES:
	case EPERM:
		return "; the daemon needs the right to write there";
	case ENOENT:
		return "; its directory must exist";
	default:
		return "";
	}
}

static int read_all(int fd, char *text, size_t size, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, text + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int store_read(const char *path, char **ret_text, size_t *ret_len)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > FILE_MAX)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	r = read_all(fd, text, (size_t)st.st_size, ret_len);
	if (r < 0)
		return r;
	text[*ret_len] = '\0';
	*ret_text = steal(&text);
	return 0;
}
