/*
 * trust/lock - one at a time in a directory, instances and daemons alike
 *
 * The programs that build stores may not run twice at a time: Debian's appends to one temporary
 * file, keytool(1) writes back what it has read a second before.
 */
#ifndef HC_TRUST_LOCK_H
#define HC_TRUST_LOCK_H

#include "trust/store.h"

struct lock {
	const struct store_env *env;
	/* The lock is there: 0, or a negative errno. */
	void (*on_taken)(void *data, int r);
	void *data;

	int fd; /* the directory; -1: none */
	hc_timer *timer;
};

void lock_init(struct lock *lock, const struct store_env *env, void (*on_taken)(void *data, int r),
	       void *data);

/* flock(2) on the directory; on_taken() is called now or later. */
void lock_take(struct lock *lock, const char *dir);

/* Gives it back, or up. */
void lock_drop(struct lock *lock);

#endif
