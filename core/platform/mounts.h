/*
 * platform/mounts - tells when something was mounted or unmounted
 *
 * inotify(7) says nothing of a file system that comes to lie over a watched directory. The kernel
 * tells it by a priority event on /proc/self/mountinfo (proc(5)).
 */
#ifndef HC_PLATFORM_MOUNTS_H
#define HC_PLATFORM_MOUNTS_H

#include "platform/loop.h"

struct mounts;

/* fn is called after each change of this process's mounts. 0, or a negative errno, such as -ENOENT
 * where /proc is not mounted. */
int mounts_create(struct loop *loop, loop_fn fn, void *data, struct mounts **ret);
void mounts_destroy(struct mounts *mounts); /* takes NULL */

/* Calls fn at once where a change has come by now. Takes NULL. */
void mounts_drain(struct mounts *mounts);

#endif
