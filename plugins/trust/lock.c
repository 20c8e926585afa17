#include "trust/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define AGAIN_MS 100

void lock_init(struct lock *lock, const struct store_env *env, void (*on_taken)(void *data, int r),
	       void *data)
{
	*lock = (struct lock){.env = env, .on_taken = on_taken, .data = data, .fd = -1};
}

static void try_lock(void *data)
{
	struct lock *lock = data;
	const struct store_env *env = lock->env;

	if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0)
		lock->on_taken(lock->data, 0);
	else if (errno != EWOULDBLOCK)
		lock->on_taken(lock->data, -errno);
	else if (lock->timer)
		env->host->timer_set(lock->timer, AGAIN_MS);
	else if (!(lock->timer = env->host->timer_add(env->ctx, AGAIN_MS, try_lock, lock)))
		lock->on_taken(lock->data, -ENOMEM);
}

void lock_take(struct lock *lock, const char *dir)
{
	lock->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock->fd < 0)
		lock->on_taken(lock->data, -errno);
	else
		try_lock(lock);
}

void lock_drop(struct lock *lock)
{
	lock->env->host->timer_remove(lock->timer);
	if (lock->fd >= 0)
		close(lock->fd);
	lock->timer = NULL;
	lock->fd = -1;
}
