#include "stepca/store.h"

#include "common/mem.h"
#include "stepca/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int take_path(char **ret, const char *path)
{
	char *copy;

	if (*ret && strcmp(*ret, path) == 0)
		return 0;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	free(*ret);
	*ret = copy;
	return 0;
}

int store_set_paths(struct store *store, const struct hc_snapshot *snapshot)
{
	int r = 0;

	for (uint32_t i = 0; i < snapshot->n_files && r == 0; i++) {
		const struct hc_file *file = hc_snapshot_file(snapshot, i);

		if (strcmp(file->role, "cert") == 0)
			r = take_path(&store->cert, file->path);
		else if (strcmp(file->role, "key") == 0)
			r = take_path(&store->key, file->path);
		else if (strcmp(file->role, "ca") == 0)
			r = take_path(&store->ca, file->path);
	}
	if (r == 0 && (!store->cert || !store->key))
		r = -EINVAL;
	return r;
}

void store_finish(struct store *store)
{
	free(store->cert);
	free(store->key);
	free(store->ca);
	store->cert = store->key = store->ca = NULL;
}

/* The directory of a path. NULL: out of memory. Free with free(3). */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int directory_writable(const char *path)
{
	cleanup_free char *directory = directory_of(path);

	if (!directory)
		return -ENOMEM;
	return access(directory, W_OK | X_OK) < 0 ? -errno : 0;
}

int store_writable(const struct store *store)
{
	int r = directory_writable(store->cert);

	return r < 0 ? r : directory_writable(store->key);
}

/* Puts a file at `path` with the access configured, or else that of the file at `like`. */
static int write_file(const struct store *store, const char *path, const char *like,
		      const struct file_access *access, const void *data, size_t len)
{
	struct hc_replace replace = {
		.size = sizeof(replace),
		.path = path,
		.data = data,
		.len = len,
		.mode = access->mode,
		.uid = access->uid,
		.gid = access->gid,
	};
	struct stat st;

	if (!access->mode_set && access->uid == (uint32_t)-1 && access->gid == (uint32_t)-1)
		replace.flags = HC_REPLACE_KEEP;
	if (stat(like, &st) == 0) {
		if (!access->mode_set)
			replace.mode = st.st_mode & 0777;
		if (access->uid == (uint32_t)-1)
			replace.uid = st.st_uid;
		if (access->gid == (uint32_t)-1)
			replace.gid = st.st_gid;
	}
	return store->host->replace(store->ctx, &replace);
}

int store_write_key(const struct store *store, const EVP_PKEY *key)
{
	size_t len = 0;
	char *pem = key_to_pem(key, &len);
	int r = -ENOMEM;

	if (pem)
		r = write_file(store, store->key, store->key, &store->options->key_access, pem,
			       len);
	key_free_pem(pem, len);
	return r;
}

int store_write_cert(const struct store *store, const char *pem)
{
	return write_file(store, store->cert, store->cert, &store->options->cert_access, pem,
			  strlen(pem));
}

int store_write_ca(const struct store *store, const char *pem, size_t len)
{
	return write_file(store, store->ca, store->ca, &store->options->cert_access, pem, len);
}

/* The certificate's place while its key is not there yet. Free with free(3). */
static char *staged_path(const struct store *store)
{
	const char *slash = strrchr(store->cert, '/');
	char *path;

	if (asprintf(&path, "%.*s/.%s.hotcert-next", (int)(slash - store->cert), store->cert,
		     slash + 1) < 0)
		return NULL;
	return path;
}

/* Renames the staged certificate over the old one and makes that last. */
static int commit(const struct store *store, const char *staged)
{
	cleanup_free char *directory = directory_of(store->cert);
	cleanup_close int fd = -1;

	if (!directory)
		return -ENOMEM;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || rename(staged, store->cert) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int store_write_pair(const struct store *store, const EVP_PKEY *key, const char *pem)
{
	cleanup_free char *staged = staged_path(store);
	int r;

	if (!staged)
		return -ENOMEM;
	r = write_file(store, staged, store->cert, &store->options->cert_access, pem, strlen(pem));
	if (r < 0)
		return r;
	r = store_write_key(store, key);
	if (r < 0) {
		unlink(staged);
		return r;
	}
	return commit(store, staged);
}

int store_roll_forward(const struct store *store)
{
	cleanup_free char *staged = staged_path(store);
	cleanup_with(pair_finish) struct pair pair = {0};
	int r;

	if (!staged)
		return -ENOMEM;
	if (access(staged, F_OK) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = pair_read(&pair, staged, store->key);
	if (r == PAIR_WHOLE) {
		r = commit(store, staged);
		return r < 0 ? r : 1;
	}
	if (r < 0)
		return r;
	/* The key was never replaced: the old pair is whole, and the staged one leads nowhere. */
	return unlink(staged) < 0 && errno != ENOENT ? -errno : 0;
}
