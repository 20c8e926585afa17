#include "platform/loop_ev.h"

#include <stdlib.h>
#include <time.h>

struct loop_io {
	ev_io ev;
	struct loop *loop;
	loop_io_fn fn;
};

/* ---- the loop ---- */

static void task_list_call(struct loop_task **first, struct loop_task ***last)
{
	while (*first) {
		struct loop_task *task = *first;

		*first = task->next;
		if (!*first)
			*last = first;
		task->queued = false;
		task->fn(task->data);
	}
}

static void tasks_now_fire(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct loop *loop = w->data;

	(void)ev;
	(void)revents;
	task_list_call(&loop->now_first, &loop->now_last);
}

/* What was queued when the loop came round; what these queue again waits for the next round. */
static void tasks_later_fire(struct ev_loop *ev, ev_idle *w, int revents)
{
	struct loop *loop = w->data;
	struct loop_task *first = loop->later_first;
	struct loop_task **last = loop->later_last;

	(void)revents;
	ev_idle_stop(ev, w);
	loop->later_first = NULL;
	loop->later_last = &loop->later_first;
	if (!first)
		return;
	*last = NULL;
	*loop->now_last = first;
	loop->now_last = last;
	task_list_call(&loop->now_first, &loop->now_last);
}

struct loop *loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->ev = ev_default_loop(EVFLAG_NOENV);
	if (!loop->ev) {
		free(loop);
		return NULL;
	}
	loop->now_last = &loop->now_first;
	loop->later_last = &loop->later_first;
	ev_prepare_init(&loop->tasks_now, tasks_now_fire);
	loop->tasks_now.data = loop;
	ev_idle_init(&loop->tasks_later, tasks_later_fire);
	loop->tasks_later.data = loop;
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	ev_idle_stop(loop->ev, &loop->tasks_later);
	ev_loop_destroy(loop->ev);
	free(loop);
}

void loop_run(struct loop *loop)
{
	ev_run(loop->ev, 0);
}

void loop_stop(struct loop *loop)
{
	ev_break(loop->ev, EVBREAK_ALL);
}

/* ---- descriptors ---- */

static int io_events(uint32_t events)
{
	return ((events & LOOP_READ) ? EV_READ : 0) | ((events & LOOP_WRITE) ? EV_WRITE : 0);
}

static void io_fire(struct ev_loop *ev, ev_io *w, int revents)
{
	struct loop_io *io = (struct loop_io *)w;
	uint32_t events = 0;

	(void)ev;
	if (revents & (EV_READ | EV_ERROR))
		events |= LOOP_READ;
	if (revents & (EV_WRITE | EV_ERROR))
		events |= LOOP_WRITE;
	io->fn(w->data, events);
}

struct loop_io *loop_io_add(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *data)
{
	struct loop_io *io = calloc(1, sizeof(*io));

	if (!io)
		return NULL;
	io->loop = loop;
	io->fn = fn;
	ev_io_init(&io->ev, io_fire, fd, io_events(events));
	io->ev.data = data;
	if (events)
		ev_io_start(loop->ev, &io->ev);
	return io;
}

void loop_io_set(struct loop_io *io, uint32_t events)
{
	if ((io->ev.events & (EV_READ | EV_WRITE)) == io_events(events) &&
	    ev_is_active(&io->ev) == (events != 0))
		return;
	ev_io_stop(io->loop->ev, &io->ev);
	ev_io_set(&io->ev, io->ev.fd, io_events(events));
	if (events)
		ev_io_start(io->loop->ev, &io->ev);
}

void loop_io_remove(struct loop_io *io)
{
	if (!io)
		return;
	ev_io_stop(io->loop->ev, &io->ev);
	free(io);
}

/* ---- clocks ---- */

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t loop_now_mono(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t loop_now_wall(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

int64_t loop_now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

/* ---- tasks ---- */

void loop_task_init(struct loop_task *task, struct loop *loop, loop_fn fn, void *data)
{
	*task = (struct loop_task){.loop = loop, .fn = fn, .data = data};
}

static void task_append(struct loop_task *task, struct loop_task ***last)
{
	task->queued = true;
	task->next = NULL;
	**last = task;
	*last = &task->next;
}

void loop_task_run(struct loop_task *task)
{
	if (task->queued)
		return;
	task_append(task, &task->loop->now_last);
	ev_feed_event(task->loop->ev, &task->loop->tasks_now, EV_CUSTOM);
}

void loop_task_run_later(struct loop_task *task)
{
	if (task->queued)
		return;
	task_append(task, &task->loop->later_last);
	ev_idle_start(task->loop->ev, &task->loop->tasks_later);
}

static void task_unlink(struct loop_task *task, struct loop_task **first, struct loop_task ***last)
{
	for (struct loop_task **p = first; *p; p = &(*p)->next) {
		if (*p != task)
			continue;
		*p = task->next;
		if (!*p)
			*last = p;
		return;
	}
}

void loop_task_finish(struct loop_task *task)
{
	if (!task->queued)
		return;
	task_unlink(task, &task->loop->now_first, &task->loop->now_last);
	task_unlink(task, &task->loop->later_first, &task->loop->later_last);
	task->queued = false;
}
