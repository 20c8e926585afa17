/*
 * platform/chain - everything on the way to a file
 *
 * A path is followed component by component, links included, and each directory and link on it is
 * watched, so that a swapped link (Kubernetes' ..data, certbot's live), a renamed or deleted
 * directory and one that comes into being are all noticed. Where something is missing, the nearest
 * directory that is there is watched.
 */
#ifndef HC_PLATFORM_CHAIN_H
#define HC_PLATFORM_CHAIN_H

#include "platform/inotify.h"

/* Zeroed is empty. */
struct chain {
	struct inotify_interest **interests;
	size_t n;
	size_t size;
	char *denied; /* CHAIN_POLL_PERMISSION: the first directory that is; NULL: none */
};

/* Why a chain can't be watched and must be polled. */
enum chain_poll {
	CHAIN_WATCHED = 0,
	CHAIN_POLL_LIMIT = 1,	   /* ENOSPC: fs.inotify.max_user_watches */
	CHAIN_POLL_PERMISSION = 2, /* EACCES: a directory may not be listed or searched */
	CHAIN_POLL_REMOTE = 3,	   /* network or FUSE: changes made elsewhere are not told */
	CHAIN_POLL_RACES = 4,	   /* a component of the path does not stop changing */
	CHAIN_POLL_MOUNT = 5,	   /* a file is mounted by itself: events go to its other place */
};

/* Where chains lead to; all paths are absolute. */
struct chain_target {
	const char *directory;
	const char *files[4]; /* in it or elsewhere; NULL: none */
	/* Patterns of names, as str_matches() takes them. With any, every entry of the directory
	 * counts, and each link among those that match is followed. */
	char *const *match;
	size_t n_match;
};

/*
 * Watches the way to each of the target's files for owner in place of what the chain watched
 * before. The new watches are there before the old ones go, so nothing is missed. Returns enum
 * chain_poll, or -ENOMEM: what was watched before stays then.
 */
int chain_watch(struct chain *chain, struct inotify *in, const struct chain_target *target,
		void *owner);
void chain_finish(struct chain *chain, struct inotify *in);

#endif
