#include "engine/engine.h"

#include "base/log.h"
#include "base/mem.h"
#include "engine/sync.h"
#include "plugins/instance.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENGINE_MAGIC 0x68656e67u /* "heng" */
#define RUNNING_MAX 64		 /* jobs at once; the rest waits its turn */
#define SLICE_US 5000		 /* reading for longer would keep others waiting */
#define POLL_MS 5000

/* ---- reading ---- */

static void read_slice(void *data)
{
	struct engine *e = data;
	int64_t end = loop_now_us() + SLICE_US;

	while (!list_empty(&e->dirty) && loop_now_us() < end)
		watch_read(container_of(e->dirty.next, struct watch, dirty_link));
	if (!list_empty(&e->dirty))
		loop_task_run_later(&e->dirty_task);
	else
		engine_changed(e);
}

void engine_watch_marked(struct engine *e, struct watch *w)
{
	(void)w;
	loop_task_run(&e->dirty_task);
}

void engine_drain(struct engine *e)
{
	inotify_drain(e->inotify);
	mounts_drain(e->mounts);
}

static void event_changed(void *owner)
{
	watch_mark(owner, false);
}

static void mark_all(struct engine *e, bool rescan, bool polled_only)
{
	struct generation *g = e->generation;

	for (size_t i = 0; g && i < g->config->n_watches; i++)
		if (!polled_only || watch_is_polled(g->watches[i]))
			watch_mark(g->watches[i], rescan);
}

static void event_overflow(void *user)
{
	struct engine *e = user;

	log_warning("inotify lost events (its queue was full); reading all watches again");
	mark_all(e, true, false);
}

/* Another file system may lie over any part of any path. */
static void mounts_changed(void *data)
{
	mark_all(data, false, false);
}

static bool any_polled(const struct engine *e)
{
	struct generation *g = e->generation;

	for (size_t i = 0; g && i < g->config->n_watches; i++)
		if (watch_is_polled(g->watches[i]))
			return true;
	return false;
}

static void poll_tick(void *data)
{
	struct engine *e = data;

	if (!any_polled(e))
		return;
	mark_all(e, false, true);
	loop_timer_set(e->poll_timer, POLL_MS);
}

void engine_watch_polled(struct engine *e, struct watch *w)
{
	if (!(e->poll_warned & (1u << w->polled)))
		log_warning("[watch %s]: read every %d s instead of being watched: %s",
			    w->config->name, POLL_MS / 1000, watch_poll_reason(w));
	e->poll_warned |= 1u << w->polled;
	engine_poll_soon(e);
}

void engine_poll_soon(struct engine *e)
{
	if (!loop_timer_active(e->poll_timer))
		loop_timer_set(e->poll_timer, POLL_MS);
}

static void rescan_wind(struct engine *e)
{
	int64_t every = e->generation->config->daemon.rescan_ms;

	loop_timer_set(e->rescan_timer, every ? every : -1);
}

static void rescan_tick(void *data)
{
	struct engine *e = data;

	e->totals.rescans++;
	mark_all(e, true, false);
	rescan_wind(e);
}

/* ---- running ---- */

void engine_run(struct engine *e)
{
	while (!list_empty(&e->queue) && e->n_running < RUNNING_MAX) {
		struct runner *r = container_of(e->queue.next, struct runner, queue_link);

		list_remove(&r->queue_link);
		runner_start_next(r);
	}
}

static void engine_be_ready(struct engine *e)
{
	if (e->ready)
		return;
	e->ready = true;
	loop_timer_set(e->ready_timer, -1);
	e->ops.ready(e->ops.user);
}

static void ready_late(void *data)
{
	struct engine *e = data;
	char why[512];

	engine_all_ok(e, why, sizeof(why));
	log_warning("ready_timeout is over, going on: %s", why);
	engine_be_ready(e);
}

static void engine_look(void *data)
{
	struct engine *e = data;

	if (!e->generation)
		return;
	if (list_empty(&e->dirty) && !e->n_unready)
		engine_be_ready(e);
	syncs_look(e);
	e->ops.changed(e->ops.user);
}

void engine_changed(struct engine *e)
{
	loop_task_run(&e->check_task);
}

/* ---- life ---- */

static int make_timers(struct engine *e)
{
	e->ready_timer = loop_timer_add(e->loop, -1, ready_late, e);
	e->rescan_timer = loop_timer_add(e->loop, -1, rescan_tick, e);
	e->poll_timer = loop_timer_add(e->loop, -1, poll_tick, e);
	return e->ready_timer && e->rescan_timer && e->poll_timer ? 0 : -ENOMEM;
}

/* Without /proc the rescan finds out. */
static int watch_mounts(struct engine *e)
{
	int r = mounts_create(e->loop, mounts_changed, e, &e->mounts);

	if (r < 0 && r != -ENOMEM)
		log_warning("mounts are noticed at a rescan only: /proc/self/mountinfo: %s",
			    strerror(-r));
	return r == -ENOMEM ? r : 0;
}

int engine_create(struct loop *loop, const struct config_source *source,
		  const struct engine_ops *ops, struct engine **ret)
{
	struct engine *e = calloc(1, sizeof(*e));
	const struct inotify_ops in_ops = {event_changed, event_overflow, e};
	int r;

	if (!e)
		return -ENOMEM;
	e->magic = ENGINE_MAGIC;
	e->loop = loop;
	e->ops = *ops;
	e->source = *source;
	e->started_at = loop_now_wall();
	list_init(&e->dirty);
	list_init(&e->queue);
	list_init(&e->syncs);
	loop_task_init(&e->dirty_task, loop, read_slice, e);
	loop_task_init(&e->check_task, loop, engine_look, e);
	r = make_timers(e);
	if (!r)
		r = inotify_create(loop, &in_ops, &e->inotify);
	if (!r)
		r = watch_mounts(e);
	if (r < 0) {
		engine_destroy(e);
		return r;
	}
	*ret = e;
	return 0;
}

void engine_destroy(struct engine *e)
{
	if (!e)
		return;
	assert(e->magic == ENGINE_MAGIC);
	generation_destroy(e->generation);
	e->generation = NULL;
	syncs_drop(e);
	loop_task_finish(&e->dirty_task);
	loop_task_finish(&e->check_task);
	loop_timer_remove(e->ready_timer);
	loop_timer_remove(e->rescan_timer);
	loop_timer_remove(e->poll_timer);
	mounts_destroy(e->mounts);
	inotify_destroy(e->inotify);
	free(e->reload_error);
	free(e->state_dir);
	e->magic = 0;
	free(e);
}

/* ---- configuration ---- */

/* The configuration is wrong already: adds what its plugins would say, so that all errors show. */
static void gather_more(const struct config *config, struct errors *errors)
{
	for (size_t i = 0; i < config->n_instances; i++) {
		struct instance *instance = NULL;

		if (instance_create(&config->daemon, &config->instances[i], NULL, NULL, errors,
				    &instance) == 0)
			instance_destroy(instance);
	}
}

static int build(struct engine *e, const struct generation *old, struct errors *errors,
		 struct generation **ret)
{
	struct config_source source = e->source;
	struct config *config = NULL;
	int r;

	source.want_broken = true;
	r = config_load(&source, errors, &config);
	if (r > 0)
		gather_more(config, errors);
	if (r) {
		config_destroy(config);
		return r;
	}
	r = generation_build(e, config, old, errors, ret);
	if (r)
		config_destroy(config);
	return r;
}

static void commit(struct engine *e, struct generation *fresh)
{
	generation_commit(e, fresh, e->generation);
	log_set_level(fresh->config->daemon.log_level);
	e->loaded_at = loop_now_wall();
	rescan_wind(e);
	engine_run(e); /* what went may have left its place to others */
	engine_changed(e);
}

int engine_load(struct engine *e, struct errors *errors)
{
	struct generation *fresh;
	int r = build(e, NULL, errors, &fresh);

	if (r)
		return r;
	e->state_dir = strdup(fresh->config->daemon.state_dir);
	if (!e->state_dir) {
		generation_abort(fresh);
		return -ENOMEM;
	}
	commit(e, fresh);
	loop_timer_set(e->ready_timer, fresh->config->daemon.ready_timeout_ms);
	return 0;
}

int engine_check(struct engine *e, struct errors *errors)
{
	struct generation *fresh = NULL;
	int r = build(e, NULL, errors, &fresh);

	if (r)
		return r;
	r = fresh->n_refused > 0;
	generation_abort(fresh);
	return r;
}

static void warn_stale(void)
{
	for (const struct plugin *p = loader_first(); p; p = p->next)
		if (loader_is_stale(p))
			log_warning("%s has changed on disk; restart hotcertd to load it", p->path);
}

/* What only a restart can change. */
static void warn_restart(const struct engine *e, const struct config_daemon *now)
{
	const struct config_daemon *then = &e->generation->config->daemon;

	if (strcmp(now->state_dir, e->state_dir) != 0 ||
	    strcmp(now->runtime_dir, then->runtime_dir) != 0)
		log_warning("[hotcert] state_dir and runtime_dir change with a restart only");
}

static void note_reload(struct engine *e, int r, const struct errors *errors)
{
	free(e->reload_error);
	e->reload_error = NULL;
	if (!r) {
		e->totals.reloads_ok++;
		return;
	}
	e->totals.reloads_failed++;
	e->reload_error = strdup(errors->n ? errors->text[0]
				 : r < 0   ? strerror(-r)
					   : "unknown error");
	engine_changed(e);
}

int engine_reload(struct engine *e, struct errors *errors)
{
	struct generation *fresh = NULL;
	int r = build(e, e->generation, errors, &fresh);

	if (!r && fresh->n_refused) {
		generation_abort(fresh);
		r = 1;
	}
	note_reload(e, r, errors);
	if (r)
		return r;
	warn_stale();
	warn_restart(e, &fresh->config->daemon);
	commit(e, fresh);
	return 0;
}

struct runner *engine_runner(const struct engine *e, const char *full)
{
	return e->generation ? generation_runner(e->generation, full) : NULL;
}

struct watch *engine_watch(const struct engine *e, const char *name)
{
	return e->generation ? generation_watch(e->generation, name) : NULL;
}
