#include "platform/chain.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel: path_resolution(7) */
#define RACES_MAX 16 /* how often a component may change under our eyes before we poll */

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif
#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xFF534D42
#endif
#ifndef CEPH_SUPER_MAGIC
#define CEPH_SUPER_MAGIC 0x00c36400
#endif

/* One walk: cur is the physical directory reached so far, rest what is still to be followed. */
struct walk {
	struct chain *chain;
	struct inotify *in;
	void *owner;
	int poll; /* enum chain_poll */
	int links;
	int races;
	char cur[PATH_MAX];
	char rest[PATH_MAX];
	char base[PATH_MAX]; /* where the target's directory is; "" where it does not lead anywhere
				yet */
	char component[NAME_MAX + 1];
};

enum {
	WALK_ON = 1,
	WALK_END = 0,
};

static int chain_reserve(struct chain *chain)
{
	size_t size = chain->size ? chain->size + chain->size / 2 : 8;
	struct inotify_interest **p;

	if (chain->n < chain->size)
		return 0;
	p = reallocarray(chain->interests, size, sizeof(struct inotify_interest *));
	if (!p)
		return -ENOMEM;
	chain->interests = p;
	chain->size = size;
	return 0;
}

static void walk_denied(struct walk *w, const char *dir)
{
	w->poll = CHAIN_POLL_PERMISSION;
	if (!w->chain->denied)
		w->chain->denied = strdup(dir);
}

/*
 * WALK_ON, WALK_END where dir is no longer what it was (the watch on its entry above tells), or
 * -ENOMEM. What can't be watched is polled.
 */
static int walk_watch(struct walk *w, const char *dir, enum inotify_kind kind, const char *name)
{
	int r = chain_reserve(w->chain);

	if (r < 0)
		return r;
	r = inotify_add(w->in, dir, kind, name, w->owner, &w->chain->interests[w->chain->n]);
	if (r == -ENOMEM)
		return r;
	if (r == -ENOENT || r == -ENOTDIR)
		return WALK_END;
	if (r == -ENOSPC)
		w->poll = CHAIN_POLL_LIMIT;
	else if (r < 0)
		walk_denied(w, dir);
	else
		w->chain->n++;
	return WALK_ON;
}

/* Cuts the next component off rest; false at the end. */
static bool walk_next(struct walk *w)
{
	const char *start = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(start, "/");

	if (!len)
		return false;
	if (len > NAME_MAX)
		return false;
	memcpy(w->component, start, len);
	w->component[len] = '\0';
	memmove(w->rest, start + len, strlen(start + len) + 1);
	return true;
}

static bool walk_is_last(const struct walk *w)
{
	return w->rest[strspn(w->rest, "/")] == '\0';
}

static int walk_push_back(struct walk *w, const char *front)
{
	char rest[PATH_MAX];
	int n = snprintf(rest, sizeof(rest), "%s/%s", front, w->rest);

	if (n < 0 || (size_t)n >= sizeof(rest))
		return -ENAMETOOLONG;
	memcpy(w->rest, rest, (size_t)n + 1);
	return 0;
}

static int path_join(char out[PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", !strcmp(dir, "/") ? "" : dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static void path_up(char *dir)
{
	char *slash = strrchr(dir, '/');

	slash[slash == dir] = '\0';
}

/* The component has become something else before its watch was there: once more. */
static int walk_again(struct walk *w)
{
	if (++w->races > RACES_MAX) {
		w->poll = CHAIN_POLL_RACES;
		return WALK_END;
	}
	return walk_push_back(w, w->component) < 0 ? WALK_END : WALK_ON;
}

static int walk_link(struct walk *w, const char *path)
{
	char target[PATH_MAX];
	ssize_t n;
	int r = walk_watch(w, w->cur, INOTIFY_WAY, w->component);

	if (r != WALK_ON)
		return r;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return walk_again(w);
	target[n] = '\0';
	if (++w->links > LINKS_MAX || walk_push_back(w, target) < 0)
		return WALK_END;
	if (target[0] == '/')
		strcpy(w->cur, "/");
	return WALK_ON;
}

static int walk_directory(struct walk *w, const char *path)
{
	struct stat st;
	int r = walk_watch(w, w->cur, INOTIFY_WAY, w->component);

	if (r != WALK_ON)
		return r;
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return walk_again(w);
	strcpy(w->cur, path);
	return WALK_ON;
}

/* As containers get single files: inotify(7) tells of it where it was mounted from. */
static bool is_mount_point(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* A file, something that is not there, or a file where a directory should be: the end of the way.
 */
static int walk_entry(struct walk *w, const char *path, bool there)
{
	struct stat st;
	int r = walk_watch(w, w->cur, INOTIFY_NAME, w->component);

	if (r != WALK_ON)
		return r;
	if (there && !w->poll && is_mount_point(path))
		w->poll = CHAIN_POLL_MOUNT;
	/* It may have come, or become a link or a directory, before the watch was there. */
	if (lstat(path, &st) == 0 && (!there || S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode)))
		return walk_again(w);
	return WALK_END;
}

static int walk_step(struct walk *w)
{
	char path[PATH_MAX];
	struct stat st;

	if (!strcmp(w->component, "."))
		return WALK_ON;
	if (!strcmp(w->component, "..")) {
		path_up(w->cur);
		return WALK_ON;
	}
	if (path_join(path, w->cur, w->component) < 0)
		return WALK_END;
	if (lstat(path, &st) < 0) {
		if (errno == EACCES) /* no event tells of a directory that may be searched again */
			walk_denied(w, w->cur);
		return walk_entry(w, path, false);
	}
	if (S_ISLNK(st.st_mode))
		return walk_link(w, path);
	if (S_ISDIR(st.st_mode))
		return walk_directory(w, path);
	return walk_entry(w, path, true);
}

static bool fs_is_remote(const char *dir)
{
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type & 0xffffffff) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC:
	case AFS_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
	case V9FS_MAGIC:
		return true;
	default:
		return false;
	}
}

/* Follows rest from start. WALK_ON: it led to a directory, which is cur now. */
static int walk_path(struct walk *w, const char *start, const char *rest)
{
	int r = WALK_ON;

	if (strlen(rest) >= sizeof(w->rest))
		return WALK_END;
	strcpy(w->rest, rest);
	strcpy(w->cur, start);
	w->links = 0;
	w->races = 0;
	while (r == WALK_ON && walk_next(w))
		r = walk_step(w);
	if (!w->poll && fs_is_remote(w->cur))
		w->poll = CHAIN_POLL_REMOTE;
	return r == WALK_ON && !walk_is_last(w) ? WALK_END : r;
}

static int walk_base(struct walk *w, const struct chain_target *target)
{
	int r = walk_path(w, "/", target->directory);

	if (r == WALK_ON)
		strcpy(w->base, w->cur);
	if (r == WALK_ON && target->n_match)
		r = walk_watch(w, w->cur, INOTIFY_ANY, NULL);
	return r < 0 ? r : 0;
}

/* A file in the base directory needs no second walk there. */
static int walk_file(struct walk *w, const char *directory, const char *path)
{
	size_t len = strlen(directory);
	int r = 0;

	if (strncmp(path, directory, len) != 0 || path[len] != '/')
		r = walk_path(w, "/", path);
	else if (w->base[0])
		r = walk_path(w, w->base, path + len);
	return r < 0 ? r : 0;
}

static bool may_be_link(const struct dirent *entry)
{
	return entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
}

/* What a link among the files leads to can change elsewhere. The files themselves are watched by
 * then, so a link that comes or goes meanwhile is told. */
static int walk_links(struct walk *w, const struct chain_target *target)
{
	const struct dirent *entry;
	int r = 0;
	DIR *dir = target->n_match && w->base[0] ? opendir(w->base) : NULL;

	if (!dir)
		return 0;
	while (r >= 0 && (entry = readdir(dir)))
		if (may_be_link(entry) &&
		    str_matches(entry->d_name, target->match, target->n_match))
			r = walk_path(w, w->base, entry->d_name);
	closedir(dir);
	return r < 0 ? r : 0;
}

static int walk_all(struct walk *w, const struct chain_target *target)
{
	int r = walk_base(w, target);

	for (size_t i = 0; i < sizeof(target->files) / sizeof(target->files[0]) && r >= 0; i++)
		if (target->files[i])
			r = walk_file(w, target->directory, target->files[i]);
	return r < 0 ? r : walk_links(w, target);
}

int chain_watch(struct chain *chain, struct inotify *in, const struct chain_target *target,
		void *owner)
{
	struct chain fresh = {0};
	struct walk *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->chain = &fresh;
	w->in = in;
	w->owner = owner;
	w->poll = CHAIN_WATCHED;
	w->base[0] = '\0';
	r = walk_all(w, target);
	if (r < 0) {
		chain_finish(&fresh, in);
	} else {
		r = w->poll;
		chain_finish(chain, in);
		*chain = fresh;
	}
	free(w);
	return r;
}

void chain_finish(struct chain *chain, struct inotify *in)
{
	for (size_t i = 0; i < chain->n; i++)
		inotify_remove(in, chain->interests[i]);
	free(chain->interests);
	free(chain->denied);
	*chain = (struct chain){0};
}
