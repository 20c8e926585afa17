#include "stepca/store.h"

#include "common/mem.h"
#include "stepca/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* -- where ------------------------------------------------------------------------------------ */

static char **path_of_role(struct store *store, const char *role)
{
	if (strcmp(role, "cert") == 0)
		return &store->cert;
	if (strcmp(role, "key") == 0)
		return &store->key;
	return strcmp(role, "ca") == 0 ? &store->ca : NULL;
}

/* The directory of a path. NULL: out of memory. Free with free(3). */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static bool same_directory(const char *a, const char *b)
{
	size_t len = (size_t)(strrchr(a, '/') - a);

	return len == (size_t)(strrchr(b, '/') - b) && strncmp(a, b, len) == 0;
}

bool store_is_combined(const struct store *store)
{
	return strcmp(store->cert, store->key) == 0;
}

int store_set_paths(struct store *store, const struct hc_snapshot *snapshot, const char **ret_bad)
{
	store_finish(store);
	for (uint32_t i = 0; i < snapshot->n_files; i++) {
		const struct hc_file *file = hc_snapshot_file(snapshot, i);
		char **path = path_of_role(store, file->role);
		int r = path ? layout_resolve(file->path, snapshot->directory, path) : 0;

		if (r < 0) {
			*ret_bad = file->path;
			return r;
		}
	}
	if (!store->cert || !store->key)
		return -EINVAL;
	return same_directory(store->cert, store->key) ? layout_find(&store->layout, store->cert)
						       : 0;
}

void store_finish(struct store *store)
{
	free(store->cert);
	free(store->key);
	free(store->ca);
	store->cert = store->key = store->ca = NULL;
	layout_finish(&store->layout);
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

	if (r == 0)
		r = directory_writable(store->key);
	if (r == 0 && store->layout.holder && access(store->layout.holder, W_OK | X_OK) < 0)
		r = -errno;
	return r;
}

/* -- reading ------------------------------------------------------------------------------------
 */

static int read_pair(const struct store *store, const char *cert, struct pair *ret)
{
	cleanup_wiped struct secret password;
	int r = secret_read(&password, store->host, store->ctx, "key_password_file");

	return r < 0 ? r : pair_read(ret, cert, store->key, secret_text(&password));
}

int store_read_pair(const struct store *store, struct pair *ret)
{
	return read_pair(store, store->cert, ret);
}

int store_read_key(const struct store *store, EVP_PKEY **ret_key)
{
	cleanup_wiped struct secret password;
	int r = secret_read(&password, store->host, store->ctx, "key_password_file");

	return r < 0 ? r : key_read(store->key, secret_text(&password), ret_key);
}

/* -- writing one file
 * ------------------------------------------------------------------------------ */

/* Puts a file at `path` with the access configured, and for the rest that of the file at `like`. */
static int write_file(const struct store *store, const char *path, const char *like,
		      const struct file_access *access, const void *data, size_t len)
{
	struct hc_replace replace = {
		.size = sizeof(replace),
		.flags = HC_REPLACE_KEEP_OWNER | (access->mode_set ? 0 : HC_REPLACE_KEEP_MODE),
		.path = path,
		.data = data,
		.len = len,
		.mode = access->mode,
		.uid = access->uid,
		.gid = access->gid,
		.like = like,
	};

	return store->host->replace(store->ctx, &replace);
}

/* The key, and behind it what is to stand in the same file; rest may be "". */
static int write_key_at(const struct store *store, const char *path, const EVP_PKEY *key,
			const char *rest)
{
	cleanup_wiped struct secret password;
	size_t len = 0, all_len;
	char *pem, *all;
	int r = secret_read(&password, store->host, store->ctx, "key_password_file");

	if (r < 0)
		return r;
	pem = key_to_pem(key, secret_text(&password), &len);
	all_len = len + strlen(rest);
	all = pem ? malloc(all_len + 1) : NULL;
	r = -ENOMEM;
	if (all) {
		memcpy(all, rest, strlen(rest));
		memcpy(all + strlen(rest), pem, len);
		r = write_file(store, path, store->key, &store->options->key_access, all, all_len);
	}
	key_free_pem(pem, len);
	key_free_pem(all, all_len);
	return r;
}

int store_write_key(const struct store *store, const EVP_PKEY *key)
{
	return write_key_at(store, store->key, key, "");
}

static int write_cert_at(const struct store *store, const char *path, const char *pem)
{
	return write_file(store, path, store->cert, &store->options->cert_access, pem, strlen(pem));
}

int store_write_ca(const struct store *store, const char *pem, size_t len)
{
	return write_file(store, store->ca, store->ca, &store->options->cert_access, pem, len);
}

/* -- a new key and its certificate, in two files
 * ------------------------------------------------------ */

/* A temporary name beside a file. Free with free(3). */
static char *beside(const char *file, const char *suffix)
{
	const char *slash = strrchr(file, '/');
	char *path;

	return asprintf(&path, "%.*s/.%s%s", (int)(slash - file), file, slash + 1, suffix) < 0
		       ? NULL
		       : path;
}

/* The certificate's place while its key is not there yet. Free with free(3). */
static char *staged_path(const struct store *store)
{
	return beside(store->cert, ".hotcert-next");
}

/* A second name of the old key, to go back where its certificate can't be replaced. */
static char *kept_path(const struct store *store)
{
	return beside(store->key, ".hotcert-old");
}

/* Renames the staged certificate over the old one and makes that last. */
static int commit(const struct store *store, const char *staged)
{
	cleanup_free char *directory = directory_of(store->cert);
	cleanup_close int fd = -1;

	if (!directory)
		return -ENOMEM;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || rename(staged, store->cert) < 0)
		return -errno;
	(void)fsync(fd); /* it is in place, whatever this says */
	return 0;
}

static int write_key_then_commit(const struct store *store, const EVP_PKEY *key, const char *staged,
				 const char *kept)
{
	bool can_go_back;
	int r;

	unlink(kept);
	can_go_back = link(store->key, kept) == 0;
	r = store_write_key(store, key);
	if (r == 0) {
		r = commit(store, staged);
		if (r < 0 && (!can_go_back || rename(kept, store->key) < 0))
			return r; /* the next store_roll_forward() ends it */
	}
	if (r < 0)
		unlink(staged);
	unlink(kept);
	return r;
}

static int write_staged(const struct store *store, const EVP_PKEY *key, const char *pem)
{
	cleanup_free char *staged = staged_path(store);
	cleanup_free char *kept = kept_path(store);
	int r;

	if (!staged || !kept)
		return -ENOMEM;
	r = write_cert_at(store, staged, pem);
	return r < 0 ? r : write_key_then_commit(store, key, staged, kept);
}

static int roll_forward(const struct store *store, const char *staged)
{
	cleanup_with(pair_finish) struct pair pair = {0};
	int r;

	if (access(staged, F_OK) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = read_pair(store, staged, &pair);
	if (r == PAIR_WHOLE) {
		r = commit(store, staged);
		return r < 0 ? r : 1;
	}
	if (r < 0)
		return r;
	/* The key was never replaced: the old pair is whole, and the staged one leads nowhere. */
	return unlink(staged) < 0 && errno != ENOENT ? -errno : 0;
}

int store_roll_forward(const struct store *store)
{
	cleanup_free char *staged = staged_path(store);
	cleanup_free char *kept = kept_path(store);
	int r = staged && kept ? roll_forward(store, staged) : -ENOMEM;

	if (r >= 0)
		unlink(kept);
	return r;
}

/* -- a new generation of the directory
 * ----------------------------------------------------------------- */

/* Where a file of ours lies in another directory. Free with free(3). */
static char *moved(const char *file, const char *directory)
{
	char *path;

	return asprintf(&path, "%s%s", directory, strrchr(file, '/')) < 0 ? NULL : path;
}

static int write_into(const struct store *store, const char *directory,
		      const struct store_pair *pair)
{
	cleanup_free char *cert = moved(store->cert, directory);
	cleanup_free char *key = moved(store->key, directory);
	int r;

	if (!cert || !key)
		return -ENOMEM;
	if (store_is_combined(store))
		return write_key_at(store, key, pair->key, pair->pem);
	r = write_cert_at(store, cert, pair->pem);
	return r == 0 && pair->key_new ? write_key_at(store, key, pair->key, "") : r;
}

static int write_generation(const struct store *store, const struct store_pair *pair)
{
	cleanup_free char *directory = NULL;
	int r = layout_prepare(&store->layout, &directory);

	if (r < 0)
		return r;
	r = write_into(store, directory, pair);
	if (r == 0)
		r = layout_commit(&store->layout, directory);
	if (r < 0)
		layout_discard(directory);
	return r;
}

int store_write_pair(const struct store *store, const struct store_pair *pair)
{
	if (store->layout.holder)
		return write_generation(store, pair);
	if (store_is_combined(store))
		return write_key_at(store, store->key, pair->key, pair->pem);
	return pair->key_new ? write_staged(store, pair->key, pair->pem)
			     : write_cert_at(store, store->cert, pair->pem);
}
