#include "platform/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TABLE "/proc/self/mountinfo"

/*
 * Opened twice: to poll a descriptor of the table is to take its event, and the loop polls when it
 * likes. The loop gets one in an epoll of its own, for the table can be read at any time.
 */
struct mounts {
	int table; /* asked by mounts_drain() */
	int waker;
	int epoll; /* waits for the priority event of the waker alone */
	struct loop_io *io;
	struct loop_task look;
	loop_fn fn;
	void *data;
};

void mounts_drain(struct mounts *m)
{
	struct pollfd table = {.events = POLLPRI};

	if (!m)
		return;
	table.fd = m->table;
	if (poll(&table, 1, 0) > 0)
		m->fn(m->data);
}

static void mounts_fire(void *data, uint32_t events)
{
	(void)events;
	mounts_drain(data);
}

static void mounts_look(void *data)
{
	mounts_drain(data);
}

static int mounts_open(struct mounts *m)
{
	struct epoll_event event = {.events = EPOLLPRI};

	m->table = open(TABLE, O_RDONLY | O_CLOEXEC);
	m->waker = open(TABLE, O_RDONLY | O_CLOEXEC);
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (m->table < 0 || m->waker < 0 || m->epoll < 0 ||
	    epoll_ctl(m->epoll, EPOLL_CTL_ADD, m->waker, &event) < 0)
		return -errno;
	return 0;
}

int mounts_create(struct loop *loop, loop_fn fn, void *data, struct mounts **ret)
{
	struct mounts *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->table = -1;
	m->waker = -1;
	m->epoll = -1;
	m->fn = fn;
	m->data = data;
	loop_task_init(&m->look, loop, mounts_look, m);
	r = mounts_open(m);
	if (r < 0)
		goto fail;
	m->io = loop_io_add(loop, m->epoll, LOOP_READ, mounts_fire, m);
	if (!m->io) {
		r = -ENOMEM;
		goto fail;
	}
	/* The loop comes to the epoll when it comes round, and to add it is to poll it. */
	loop_task_run_later(&m->look);
	*ret = m;
	return 0;
fail:
	mounts_destroy(m);
	return r;
}

void mounts_destroy(struct mounts *m)
{
	if (!m)
		return;
	loop_task_finish(&m->look);
	loop_io_remove(m->io);
	if (m->epoll >= 0)
		close(m->epoll);
	if (m->waker >= 0)
		close(m->waker);
	if (m->table >= 0)
		close(m->table);
	free(m);
}
