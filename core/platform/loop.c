#include "platform/loop.h"

#include <ev.h>
#include <stdlib.h>
#include <time.h>

struct loop {
	struct ev_loop *ev;
	ev_prepare tasks_now; /* never started, only fed: see ev_feed_event in ev(3) */
	ev_idle tasks_later;
	struct loop_task *now_first, **now_last;
	struct loop_task *later_first, **later_last;
};

struct loop_io {
	ev_io ev;
	struct loop *loop;
	loop_io_fn fn;
};

struct loop_timer {
	ev_timer ev;
	struct loop *loop;
	loop_fn fn;
};

struct loop_alarm {
	ev_periodic ev;
	struct loop *loop;
	loop_fn fn;
};

struct loop_signal {
	ev_signal ev;
	struct loop *loop;
	loop_fn fn;
};

struct loop_child {
	ev_child ev;
	struct loop *loop;
	loop_child_fn fn;
};

struct loop_async {
	ev_async ev;
	struct loop *loop;
	loop_fn fn;
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

/* ---- time ---- */

static void timer_fire(struct ev_loop *ev, ev_timer *w, int revents)
{
	(void)ev;
	(void)revents;
	((struct loop_timer *)w)->fn(w->data);
}

struct loop_timer *loop_timer_add(struct loop *loop, int64_t after_ms, loop_fn fn, void *data)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	timer->loop = loop;
	timer->fn = fn;
	ev_timer_init(&timer->ev, timer_fire, 0., 0.);
	timer->ev.data = data;
	loop_timer_set(timer, after_ms);
	return timer;
}

void loop_timer_set(struct loop_timer *timer, int64_t after_ms)
{
	ev_timer_stop(timer->loop->ev, &timer->ev);
	if (after_ms < 0)
		return;
	/* libev counts from the time of its last wake-up: add what has passed since. */
	ev_timer_set(&timer->ev, (double)after_ms / 1e3 + ev_time() - ev_now(timer->loop->ev), 0.);
	ev_timer_start(timer->loop->ev, &timer->ev);
}

bool loop_timer_active(const struct loop_timer *timer)
{
	return timer && ev_is_active(&timer->ev);
}

void loop_timer_remove(struct loop_timer *timer)
{
	if (!timer)
		return;
	ev_timer_stop(timer->loop->ev, &timer->ev);
	free(timer);
}

static void alarm_fire(struct ev_loop *ev, ev_periodic *w, int revents)
{
	(void)ev;
	(void)revents;
	((struct loop_alarm *)w)->fn(w->data);
}

struct loop_alarm *loop_alarm_add(struct loop *loop, int64_t at_ms, loop_fn fn, void *data)
{
	struct loop_alarm *alarm = calloc(1, sizeof(*alarm));

	if (!alarm)
		return NULL;
	alarm->loop = loop;
	alarm->fn = fn;
	ev_periodic_init(&alarm->ev, alarm_fire, 0., 0., NULL);
	alarm->ev.data = data;
	loop_alarm_set(alarm, at_ms);
	return alarm;
}

void loop_alarm_set(struct loop_alarm *alarm, int64_t at_ms)
{
	ev_periodic_stop(alarm->loop->ev, &alarm->ev);
	if (at_ms == INT64_MAX)
		return;
	ev_periodic_set(&alarm->ev, (double)at_ms / 1e3, 0., NULL);
	ev_periodic_start(alarm->loop->ev, &alarm->ev);
}

void loop_alarm_remove(struct loop_alarm *alarm)
{
	if (!alarm)
		return;
	ev_periodic_stop(alarm->loop->ev, &alarm->ev);
	free(alarm);
}

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

/* ---- signals, children, other threads ---- */

static void signal_fire(struct ev_loop *ev, ev_signal *w, int revents)
{
	(void)ev;
	(void)revents;
	((struct loop_signal *)w)->fn(w->data);
}

struct loop_signal *loop_signal_add(struct loop *loop, int signum, loop_fn fn, void *data)
{
	struct loop_signal *sig = calloc(1, sizeof(*sig));

	if (!sig)
		return NULL;
	sig->loop = loop;
	sig->fn = fn;
	ev_signal_init(&sig->ev, signal_fire, signum);
	sig->ev.data = data;
	ev_signal_start(loop->ev, &sig->ev);
	return sig;
}

void loop_signal_remove(struct loop_signal *sig)
{
	if (!sig)
		return;
	ev_signal_stop(sig->loop->ev, &sig->ev);
	free(sig);
}

static void child_fire(struct ev_loop *ev, ev_child *w, int revents)
{
	struct loop_child *child = (struct loop_child *)w;

	(void)revents;
	ev_child_stop(ev, w);
	child->fn(w->data, w->rstatus);
}

struct loop_child *loop_child_add(struct loop *loop, pid_t pid, loop_child_fn fn, void *data)
{
	struct loop_child *child = calloc(1, sizeof(*child));

	if (!child)
		return NULL;
	child->loop = loop;
	child->fn = fn;
	ev_child_init(&child->ev, child_fire, pid, 0);
	child->ev.data = data;
	ev_child_start(loop->ev, &child->ev);
	return child;
}

void loop_child_remove(struct loop_child *child)
{
	if (!child)
		return;
	ev_child_stop(child->loop->ev, &child->ev);
	free(child);
}

static void async_fire(struct ev_loop *ev, ev_async *w, int revents)
{
	(void)ev;
	(void)revents;
	((struct loop_async *)w)->fn(w->data);
}

struct loop_async *loop_async_add(struct loop *loop, loop_fn fn, void *data)
{
	struct loop_async *async = calloc(1, sizeof(*async));

	if (!async)
		return NULL;
	async->loop = loop;
	async->fn = fn;
	ev_async_init(&async->ev, async_fire);
	async->ev.data = data;
	ev_async_start(loop->ev, &async->ev);
	return async;
}

void loop_async_send(struct loop_async *async)
{
	ev_async_send(async->loop->ev, &async->ev);
}

void loop_async_remove(struct loop_async *async)
{
	if (!async)
		return;
	ev_async_stop(async->loop->ev, &async->ev);
	free(async);
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
