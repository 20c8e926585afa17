#include "trust/store.h"

#include <errno.h>
#include <string.h>

#include "common/file.h"

#define FILE_MAX (16u << 20)

static const struct store_type *const types[] = {&store_system, &store_bundle, &store_directory,
						 &store_java, &store_nss};

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
	*ret_why = "is no kind of store; write system, bundle:/path/to/file.pem, directory:/path, "
		   "java:/path/to/keystore or nss:/path";
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

int store_read(const char *path, char **ret_text, size_t *ret_len)
{
	return file_load(path, FILE_MAX, ret_text, ret_len);
}
