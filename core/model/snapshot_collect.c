#include "model/snapshot_reading.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/certificate.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_MAX = 1024 * 1024,
	TRIES = 4,
};

static void part_forget(struct part *part)
{
	fs_wipe_free(part->data, part->len);
	certificate_free_all(part->certs, part->n_certs);
	free(part->error);
	free(part->path);
}

static void forget_parts(struct reading *r)
{
	for (size_t i = 0; i < r->n; i++)
		part_forget(&r->parts[i]);
	free(r->parts);
	r->parts = NULL;
	r->n = 0;
}

void reading_finish(struct reading *r)
{
	forget_parts(r);
	free(r->error);
}

/* Takes path over. */
static int add_part(struct reading *r, const char *role, char *path)
{
	struct part *parts = path ? reallocarray(r->parts, r->n + 1, sizeof(*parts)) : NULL;

	if (!parts) {
		free(path);
		return -ENOMEM;
	}
	r->parts = parts;
	parts[r->n++] = (struct part){.role = role, .path = path};
	return 0;
}

static int list_roles(struct reading *r)
{
	const struct config_watch *w = r->watch;
	int e = w->cert ? add_part(r, "cert", strdup(w->cert)) : 0;

	if (e == 0 && w->key)
		e = add_part(r, "key", strdup(w->key));
	if (e == 0 && w->ca)
		e = add_part(r, "ca", strdup(w->ca));
	return e;
}

static bool is_directory(DIR *dir, const char *name)
{
	struct stat st;

	return fstatat(dirfd(dir), name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int add_entry(struct reading *r, const char *name)
{
	const char *directory = r->watch->directory;

	/* "/" is the one directory that ends in a slash */
	return add_part(r, "", str_format("%s%s%s", directory, directory[1] ? "/" : "", name));
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct part *)a)->path, ((const struct part *)b)->path);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int complain(struct reading *r, int32_t state, char *error)
{
	r->state = state;
	r->error = error;
	return error ? 0 : -ENOMEM;
}

static int complain_no_directory(struct reading *r, int err)
{
	const char *directory = r->watch->directory;

	if (err == ENOENT || err == ENOTDIR || err == ELOOP)
		return complain(r, HC_STATE_MISSING,
				str_format("%s: %s; waiting for it", directory, strerror(err)));
	return complain(r, HC_STATE_BROKEN,
			str_format("%s: cannot be listed by user %u (%s); let that user read it",
				   directory, (unsigned)geteuid(), strerror(err)));
}

/* It says nothing of the files, so it must not be taken for a state of theirs. */
static bool is_shortage(int err)
{
	return err == ENOMEM || err == EMFILE || err == ENFILE;
}

/* Files that match, by name; directories and hidden files (of atomic writers) do not count. */
static int list_matches(struct reading *r)
{
	cleanup_with(closedirp) DIR *dir = opendir(r->watch->directory);
	const struct config_watch *w = r->watch;
	const struct dirent *entry;

	if (!dir)
		return is_shortage(errno) ? -errno : complain_no_directory(r, errno);
	while ((entry = readdir(dir))) {
		if (!str_matches(entry->d_name, w->match, w->n_match) ||
		    is_directory(dir, entry->d_name))
			continue;
		if (add_entry(r, entry->d_name) < 0)
			return -ENOMEM;
	}
	if (r->n == 0)
		return complain(r, HC_STATE_MISSING,
				str_format("%s: no file in it matches; waiting for one",
					   r->watch->directory));
	qsort(r->parts, r->n, sizeof(*r->parts), by_path);
	return 0;
}

/* What was left of an earlier try goes first. */
static int list_files(struct reading *r)
{
	forget_parts(r);
	free(r->error);
	r->error = NULL;
	r->state = HC_STATE_WHOLE;
	return r->watch->n_match ? list_matches(r) : list_roles(r);
}

static int read_part(struct part *part)
{
	part->err = fs_read(part->path, FILE_MAX, &part->data, &part->len, &part->st);
	if (part->err == 0)
		SHA256((const unsigned char *)part->data, part->len, part->sha256);
	return is_shortage(-part->err) ? part->err : 0;
}

static bool times_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       times_equal(&a->st_mtim, &b->st_mtim) && times_equal(&a->st_ctim, &b->st_ctim);
}

static bool is_absent(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ELOOP;
}

/* What was listed and is gone has changed; a link that leads nowhere is as it was. */
static bool is_still_absent(const struct part *part)
{
	struct stat st;

	if (stat(part->path, &st) == 0)
		return false;
	return part->role[0] || lstat(part->path, &st) == 0;
}

static bool is_unchanged(const struct part *part)
{
	struct stat st;

	if (part->err == -EAGAIN)
		return false;
	if (is_absent(part->err))
		return is_still_absent(part);
	if (part->err != 0)
		return true;
	return stat(part->path, &st) == 0 && is_same_file(&part->st, &st);
}

/* Its digest is that of a file that never was, so the next reading must not find it again. */
static void mark_changed(struct part *part)
{
	part->err = -EAGAIN;
	memset(&part->st, 0, sizeof(part->st));
	memset(part->sha256, 0, sizeof(part->sha256));
}

/* Looks for files that changed since they were read, and marks them. */
static bool is_stable(struct reading *r)
{
	bool stable = true;

	for (size_t i = 0; i < r->n; i++) {
		if (is_unchanged(&r->parts[i]))
			continue;
		mark_changed(&r->parts[i]);
		stable = false;
	}
	return stable;
}

/* Its ctime changes with its content, its mode and the file that bears the name. */
static int64_t password_stamp(const struct config_watch *watch)
{
	struct stat st;

	if (!watch->key_password_file || stat(watch->key_password_file, &st) < 0)
		return 0;
	return (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

int reading_collect(struct reading *r)
{
	r->password_stamp = password_stamp(r->watch);
	for (int i = 0; i < TRIES; i++) {
		int e = list_files(r);

		for (size_t k = 0; k < r->n && e == 0; k++)
			e = read_part(&r->parts[k]);
		if (e < 0 || is_stable(r))
			return e;
	}
	return 0;
}
