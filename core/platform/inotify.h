/*
 * platform/inotify - one inotify(7) descriptor for all directories
 *
 * An interest is a name in a directory, or all names, and the object that wants to hear of it.
 * Events are hints: the owner is told that something may have changed, never what.
 */
#ifndef HC_PLATFORM_INOTIFY_H
#define HC_PLATFORM_INOTIFY_H

#include "platform/loop.h"

#include <stddef.h>
#include <stdint.h>

struct inotify;
struct inotify_interest;

struct inotify_ops {
	/* Something may have changed for this owner. Only marks it: no interest comes or goes here.
	 */
	void (*changed)(void *owner);
	/* Events were lost (IN_Q_OVERFLOW): everything may have changed. */
	void (*overflow)(void *user);
	void *user;
};

/* 0, or a negative errno: -EMFILE is fs.inotify.max_user_instances. */
int inotify_create(struct loop *loop, const struct inotify_ops *ops, struct inotify **ret);
void inotify_destroy(struct inotify *in);

/*
 * What is told of an entry. INOTIFY_WAY: it goes, or another takes its place; enough for a
 * directory or link that is there and leads on, and quiet in a busy directory. INOTIFY_NAME: it
 * comes, too, is closed after writing, or its mode, owner or link count changes. INOTIFY_ANY: the
 * same of every entry.
 *
 * A directory is watched as an entry of the one above, because IN_DELETE_SELF of inotify(7) waits
 * for the last process that has the directory open.
 */
enum inotify_kind {
	INOTIFY_WAY,
	INOTIFY_NAME,
	INOTIFY_ANY,
};

/*
 * Watches entry name (not for INOTIFY_ANY) of directory dir, an absolute path without links. 0, or
 * a negative errno: -ENOENT, -ENOTDIR (dir is gone or was replaced meanwhile), -EACCES, -ENOSPC
 * (fs.inotify.max_user_watches), -ENOMEM.
 */
int inotify_add(struct inotify *in, const char *dir, enum inotify_kind kind, const char *name,
		void *owner, struct inotify_interest **ret);
void inotify_remove(struct inotify *in, struct inotify_interest *interest); /* takes NULL */

/* Reads what the kernel has queued by now, and no more, and tells the owners. */
void inotify_drain(struct inotify *in);

uint64_t inotify_overflows(const struct inotify *in);
size_t inotify_watches(const struct inotify *in);

#endif
