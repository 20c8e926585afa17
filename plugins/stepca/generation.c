/*
 * Generations of a directory: made beside the current one, swapped in by one rename
 */
#include "common/mem.h"
#include "stepca/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { TRIES = 1000 };

/* What tells a directory that we made, and may remove, from those of others. */
static const char marker[] = ".hotcert-generation";

static void dir_freep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define cleanup_dir cleanup_with(dir_freep)

static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The entries of an open directory, from the first one on; the fd stays the caller's. */
static DIR *list_dir(int fd)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);

	if (!dir && again >= 0)
		close(again);
	return dir;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* -- names: gen-7 is followed by gen-8 -----------------------------------------------------------
 */

static size_t prefix_of(const char *name)
{
	size_t len = strlen(name);

	while (len > 0 && name[len - 1] >= '0' && name[len - 1] <= '9')
		len--;
	return len;
}

static int name_after(const char *name, unsigned long long steps, char ret[static NAME_MAX + 1])
{
	size_t prefix = prefix_of(name);
	int width = (int)(strlen(name) - prefix);
	unsigned long long n = strtoull(name + prefix, NULL, 10);
	int len = snprintf(ret, NAME_MAX + 1, "%.*s%0*llu", (int)prefix, name, width, n + steps);

	return len > NAME_MAX ? -ENAMETOOLONG : 0;
}

/* -- removing what we made ------------------------------------------------------------------------
 */

static bool is_ours(int holder, const char *name)
{
	char path[2 * NAME_MAX];

	snprintf(path, sizeof(path), "%s/%s", name, marker);
	return faccessat(holder, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The marker goes last: what a crash leaves is still known as ours. */
static void remove_generation(int holder, const char *name)
{
	cleanup_close int fd = open_dir(holder, name);
	cleanup_dir DIR *dir = fd < 0 ? NULL : list_dir(fd);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!is_dots(entry->d_name) && strcmp(entry->d_name, marker) != 0)
			unlinkat(fd, entry->d_name, 0);
	if (fd >= 0)
		unlinkat(fd, marker, 0);
	unlinkat(holder, name, AT_REMOVEDIR);
}

/* -- making one
 * ------------------------------------------------------------------------------------ */

static int copy_link(int from, const char *name, int to)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(from, name, target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	target[len] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

/* Temporary files of ours are of no use to anybody. */
static bool is_wanted(const char *name)
{
	const char *end = strrchr(name, '.');

	return !is_dots(name) && strcmp(name, marker) != 0 &&
	       !(name[0] == '.' && end && strncmp(end, ".hotcert", 8) == 0);
}

static int copy_entry(int from, const char *name, int to)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return copy_link(from, name, to);
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	return linkat(from, name, to, name, 0) < 0 ? -errno : 0;
}

static int copy_entries(int from, int to)
{
	cleanup_dir DIR *dir = list_dir(from);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)))
		if (is_wanted(entry->d_name))
			r = copy_entry(from, entry->d_name, to);
	return r;
}

static int mark(int fd)
{
	int file = openat(fd, marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (file < 0)
		return -errno;
	close(file);
	return 0;
}

/* Makes the first directory after the current one that is free. What a crash left of ours goes. */
static int make_next(int holder, const char *current, char name[static NAME_MAX + 1])
{
	for (unsigned i = 1; i < TRIES; i++) {
		int r = name_after(current, i, name);

		if (r < 0)
			return r;
		if (is_ours(holder, name))
			remove_generation(holder, name);
		if (mkdirat(holder, name, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int fill(int holder, const char *current, const char *name)
{
	cleanup_close int from = open_dir(holder, current);
	cleanup_close int to = from < 0 ? -1 : open_dir(holder, name);
	int r = from < 0 ? from : to < 0 ? to : mark(to);

	return r < 0 ? r : copy_entries(from, to);
}

int layout_prepare(const struct layout *layout, char **ret_path)
{
	cleanup_close int holder = open_dir(AT_FDCWD, layout->holder);
	char name[NAME_MAX + 1];
	int r = holder < 0 ? holder : make_next(holder, layout->current, name);

	if (r < 0)
		return r;
	r = fill(holder, layout->current, name);
	if (r == 0 && asprintf(ret_path, "%s/%s", layout->holder, name) < 0)
		r = -ENOMEM;
	if (r < 0)
		remove_generation(holder, name);
	return r;
}

void layout_discard(const char *path)
{
	remove_generation(AT_FDCWD, path);
}

/* -- swapping it in
 * --------------------------------------------------------------------------------- */

static void copy_xattr(int from, int to, const char *name)
{
	char value[4096];
	ssize_t len = fgetxattr(from, name, value, sizeof(value));

	if (len > 0)
		(void)fsetxattr(to, name, value, (size_t)len, 0);
}

/* A label or ACL that cannot be given is the system's business; owner and mode must be right. */
static int be_like(int from, int to)
{
	struct stat st;

	if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0)
		return -errno;
	copy_xattr(from, to, "security.selinux");
	if (fchmod(to, st.st_mode & 07777) < 0)
		return -errno;
	copy_xattr(from, to, "system.posix_acl_access");
	copy_xattr(from, to, "system.posix_acl_default");
	return fsync(to) < 0 ? -errno : 0;
}

static int swap_link(int holder, const char *link, const char *target)
{
	char temp[NAME_MAX + 32];
	int r = 0;

	snprintf(temp, sizeof(temp), ".%s.hotcert~", link);
	if (unlinkat(holder, temp, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(target, holder, temp) < 0)
		return -errno;
	if (renameat(holder, temp, holder, link) < 0) {
		r = -errno;
		unlinkat(holder, temp, 0);
		return r;
	}
	(void)fsync(holder); /* it is in place, whatever this says */
	return 0;
}

/* Who still holds a path into the generation before must find it; those before that go. */
static void prune(int holder, const char *before, const char *now)
{
	cleanup_dir DIR *dir = list_dir(holder);
	size_t prefix = prefix_of(now);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (prefix_of(name) == prefix && name[prefix] && strncmp(name, now, prefix) == 0 &&
		    strcmp(name, before) != 0 && strcmp(name, now) != 0 && is_ours(holder, name))
			remove_generation(holder, name);
	}
}

int layout_commit(const struct layout *layout, const char *path)
{
	cleanup_close int holder = open_dir(AT_FDCWD, layout->holder);
	cleanup_close int from = holder < 0 ? -1 : open_dir(holder, layout->current);
	cleanup_close int to = holder < 0 ? -1 : open_dir(AT_FDCWD, path);
	const char *name = strrchr(path, '/') + 1;
	int r = holder < 0 ? holder : from < 0 ? from : to < 0 ? to : be_like(from, to);

	if (r == 0)
		r = swap_link(holder, layout->link, name);
	if (r == 0)
		prune(holder, layout->current, name);
	return r;
}
