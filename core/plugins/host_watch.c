#include "plugins/host.h"

#include "platform/process.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What every handle begins with, so that those left behind can be found and removed. */
struct watcher {
	struct list link; /* hc_ctx.watchers */
	struct hc_ctx *ctx;
	void (*remove)(struct watcher *w);
};

struct hc_io {
	struct watcher w;
	struct loop_io *io;
	hc_io_fn fn;
	void *data;
};

struct hc_timer {
	struct watcher w;
	struct loop_timer *timer;
	hc_timer_fn fn;
	void *data;
};

struct hc_alarm {
	struct watcher w;
	struct loop_alarm *alarm;
	hc_timer_fn fn;
	void *data;
};

struct hc_child {
	struct watcher w;
	struct process *process;
	struct hc_spawn spawn;
};

static void *watcher_create(struct hc_ctx *ctx, size_t size, void (*remove)(struct watcher *w))
{
	struct watcher *w = calloc(1, size);

	assert(ctx->magic == HOST_CTX_MAGIC && !ctx->dead);
	if (!w)
		return NULL;
	w->ctx = ctx;
	w->remove = remove;
	list_push(&ctx->watchers, &w->link);
	return w;
}

static void watcher_free(struct watcher *w)
{
	list_remove(&w->link);
	free(w);
}

void host_watchers_remove(hc_ctx *ctx)
{
	while (!list_empty(&ctx->watchers)) {
		struct watcher *w = container_of(ctx->watchers.next, struct watcher, link);

		w->remove(w);
	}
}

/* ---- descriptors ---- */

static void io_fire(void *data, uint32_t events)
{
	struct hc_io *io = data;
	struct host_call call = host_enter(io->w.ctx, "descriptor callback");

	io->fn(io->data, events);
	host_leave(&call);
}

static void io_remove(struct watcher *w)
{
	loop_io_remove(container_of(w, struct hc_io, w)->io);
	watcher_free(w);
}

hc_io *host_io_add(hc_ctx *ctx, int fd, uint32_t events, hc_io_fn fn, void *data)
{
	struct hc_io *io = watcher_create(ctx, sizeof(*io), io_remove);

	if (!io)
		return NULL;
	io->fn = fn;
	io->data = data;
	io->io = loop_io_add(host_loop(), fd, events, io_fire, io);
	if (!io->io) {
		watcher_free(&io->w);
		return NULL;
	}
	return io;
}

void host_io_set(hc_io *io, uint32_t events)
{
	loop_io_set(io->io, events);
}

void host_io_remove(hc_io *io)
{
	if (io)
		io_remove(&io->w);
}

/* ---- timers and alarms ---- */

static void timer_fire(void *data)
{
	struct hc_timer *timer = data;
	struct host_call call = host_enter(timer->w.ctx, "timer callback");

	timer->fn(timer->data);
	host_leave(&call);
}

static void timer_remove(struct watcher *w)
{
	loop_timer_remove(container_of(w, struct hc_timer, w)->timer);
	watcher_free(w);
}

hc_timer *host_timer_add(hc_ctx *ctx, int64_t after_ms, hc_timer_fn fn, void *data)
{
	struct hc_timer *timer = watcher_create(ctx, sizeof(*timer), timer_remove);

	if (!timer)
		return NULL;
	timer->fn = fn;
	timer->data = data;
	timer->timer = loop_timer_add(host_loop(), after_ms, timer_fire, timer);
	if (!timer->timer) {
		watcher_free(&timer->w);
		return NULL;
	}
	return timer;
}

void host_timer_set(hc_timer *timer, int64_t after_ms)
{
	loop_timer_set(timer->timer, after_ms);
}

void host_timer_remove(hc_timer *timer)
{
	if (timer)
		timer_remove(&timer->w);
}

static void alarm_fire(void *data)
{
	struct hc_alarm *alarm = data;
	struct host_call call = host_enter(alarm->w.ctx, "alarm callback");

	alarm->fn(alarm->data);
	host_leave(&call);
}

static void alarm_remove(struct watcher *w)
{
	loop_alarm_remove(container_of(w, struct hc_alarm, w)->alarm);
	watcher_free(w);
}

hc_alarm *host_alarm_add(hc_ctx *ctx, int64_t at_ms, hc_timer_fn fn, void *data)
{
	struct hc_alarm *alarm = watcher_create(ctx, sizeof(*alarm), alarm_remove);

	if (!alarm)
		return NULL;
	alarm->fn = fn;
	alarm->data = data;
	alarm->alarm = loop_alarm_add(host_loop(), at_ms, alarm_fire, alarm);
	if (!alarm->alarm) {
		watcher_free(&alarm->w);
		return NULL;
	}
	return alarm;
}

void host_alarm_set(hc_alarm *alarm, int64_t at_ms)
{
	loop_alarm_set(alarm->alarm, at_ms);
}

void host_alarm_remove(hc_alarm *alarm)
{
	if (alarm)
		alarm_remove(&alarm->w);
}

/* ---- children ---- */

static void child_remove(struct watcher *w)
{
	process_kill(container_of(w, struct hc_child, w)->process);
	watcher_free(w);
}

static void child_line(void *data, const char *line)
{
	struct hc_child *child = data;
	struct host_call call;

	if (!child->spawn.on_line)
		return;
	call = host_enter(child->w.ctx, "output callback");
	child->spawn.on_line(child->spawn.data, line);
	host_leave(&call);
}

static void child_exit(void *data, int code)
{
	struct hc_child *child = data;
	struct hc_ctx *ctx = child->w.ctx;
	struct hc_spawn spawn = child->spawn;
	struct host_call call;

	watcher_free(&child->w);
	if (!spawn.on_exit)
		return;
	call = host_enter(ctx, "exit callback");
	spawn.on_exit(spawn.data, code);
	host_leave(&call);
}

int32_t host_spawn(hc_ctx *ctx, const struct hc_spawn *spawn, hc_child **ret_child)
{
	struct hc_child *child = watcher_create(ctx, sizeof(*child), child_remove);
	struct process_spec spec = {.on_line = child_line, .on_exit = child_exit, .data = child};
	int r;

	if (!child)
		return -ENOMEM;
	memcpy(&child->spawn, spawn, spawn->size < sizeof(*spawn) ? spawn->size : sizeof(*spawn));
	spec.argv = child->spawn.argv;
	spec.env = child->spawn.env;
	spec.user = child->spawn.user;
	spec.group = child->spawn.group;
	r = process_start(host_loop(), &spec, &child->process);
	if (r < 0) {
		watcher_free(&child->w);
		return r;
	}
	*ret_child = child;
	return 0;
}

void host_child_kill(hc_child *child)
{
	if (child)
		child_remove(&child->w);
}
