/*
 * platform/inotify - one inotify(7) descriptor for all directories
 *
 * An interest is a name in a directory, or the directory itself, and the object that wants to hear
 * of it. Events are hints: the owner is told that something may have changed, never what.
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

/* INOTIFY_SELF: the directory itself moves or goes. INOTIFY_NAME: an entry appears, goes, or is
 * closed after writing. INOTIFY_ANY: any entry does. */
enum inotify_kind {
	INOTIFY_SELF,
	INOTIFY_NAME,
	INOTIFY_ANY,
};

/*
 * Watches directory dir, which must be an absolute path without links. name is for INOTIFY_NAME
 * only. 0, or a negative errno: -ENOENT, -ENOTDIR (gone or replaced meanwhile), -EACCES, -ENOSPC
 * (fs.inotify.max_user_watches), -ENOMEM.
 */
int inotify_add(struct inotify *in, const char *dir, enum inotify_kind kind, const char *name,
		void *owner, struct inotify_interest **ret);
void inotify_remove(struct inotify *in, struct inotify_interest *interest); /* takes NULL */

/* Reads what the kernel has queued by now and tells the owners. */
void inotify_drain(struct inotify *in);

uint64_t inotify_overflows(const struct inotify *in);
size_t inotify_watches(const struct inotify *in);

#endif
