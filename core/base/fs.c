/*
 * base/fs - files as a whole: bounded reading, atomic replacement
 */
#include "base/fs.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

void fs_wipe_free(char *data, size_t len)
{
	if (data)
		explicit_bzero(data, len);
	free(data);
}

/* read(2) until size bytes or the end are reached. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static bool same_content(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int fs_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct stat *ret_st)
{
	struct stat before, after;
	cleanup_close int fd = -1;
	size_t size;
	ssize_t len;
	char *data;

	/* O_NONBLOCK: opening a FIFO or a terminal must not wait */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &before) < 0)
		return -errno;
	if (!S_ISREG(before.st_mode))
		return -EINVAL;
	if (before.st_size < 0 || (uintmax_t)before.st_size > max)
		return -EFBIG;
	size = (size_t)before.st_size;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	len = read_all(fd, data, size + 1); /* one more, to see that it has grown */
	if (len >= 0 && fstat(fd, &after) < 0)
		len = -errno;
	else if (len >= 0 && ((size_t)len != size || !same_content(&before, &after)))
		len = -EAGAIN;
	if (len < 0) {
		fs_wipe_free(data, size + 1);
		return (int)len;
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_len = (size_t)len;
	if (ret_st)
		*ret_st = after;
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Gives fd an extended attribute of the file at like: 1, or 0 where that has none, or -errno. */
static int copy_xattr(int fd, const char *like, const char *name)
{
	char value[4096];
	ssize_t len = like ? getxattr(like, name, value, sizeof(value)) : 0;

	if (len <= 0)
		return len < 0 && errno == ERANGE ? -errno : 0;
	return fsetxattr(fd, name, value, (size_t)len, 0) < 0 ? -errno : 1;
}

/*
 * Owner and mode come first, and chown(2) before chmod(2), which it may undo. An ACL sets the mode
 * by itself: without it, the group would get what the mask allows to those the ACL names. A label
 * that SELinux does not let us give is no reason to fail: the directory's default is left then.
 */
static int be_like(int fd, const struct fs_access *access)
{
	int r;

	if ((access->uid != (uid_t)-1 || access->gid != (gid_t)-1) &&
	    fchown(fd, access->uid, access->gid) < 0)
		return -errno;
	(void)copy_xattr(fd, access->like, "security.selinux");
	r = access->keep_acl ? copy_xattr(fd, access->like, "system.posix_acl_access") : 0;
	if (r == 0 && fchmod(fd, access->mode) < 0)
		r = -errno;
	return r < 0 ? r : 0;
}

static int fill(int fd, const void *data, size_t len, const struct fs_access *access)
{
	int r = be_like(fd, access);

	if (r < 0)
		return r;
	r = write_all(fd, data, len);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

/*
 * Splits a path into its directory, opened, and the name in it. The caller closes *ret_dir;
 * *ret_name points into path.
 */
static int open_parent(const char *path, int *ret_dir, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	cleanup_free char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd;

	if (!dir)
		return -ENOMEM;
	if (!*name)
		return -EISDIR;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_dir = fd;
	*ret_name = name;
	return 0;
}

int fs_replace(const char *path, const void *data, size_t len, mode_t mode, uid_t uid, gid_t gid)
{
	struct fs_access access = {.mode = mode, .uid = uid, .gid = gid};

	return fs_replace_as(path, data, len, &access);
}

int fs_replace_as(const char *path, const void *data, size_t len, const struct fs_access *access)
{
	cleanup_close int dir = -1, fd = -1;
	cleanup_free char *temp = NULL;
	const char *name = path;
	int r = open_parent(path, &dir, &name);

	if (r < 0)
		return r;
	/* one name per target: what a crash left behind goes with the next try */
	temp = str_format(".%s.hotcert~", name);
	if (!temp)
		return -ENOMEM;
	if (unlinkat(dir, temp, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill(fd, data, len, access);
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir, temp, 0);
		return r;
	}
	/* The new file is in place whatever this says; a crash could at most bring back the old
	 * one. */
	(void)fsync(dir);
	return 0;
}

/* One directory; that it exists is fine. */
static int make_one(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	return -errno;
}

int fs_mkdir(const char *path, mode_t mode)
{
	cleanup_free char *copy = strdup(path);
	int r;

	if (!copy)
		return -ENOMEM;
	for (char *p = copy; (p = strchr(p + 1, '/'));) {
		if (p[1] == '/' || !p[1])
			continue;
		*p = '\0';
		r = make_one(copy, 0755);
		*p = '/';
		if (r < 0)
			return r;
	}
	return make_one(copy, mode);
}
