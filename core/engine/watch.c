#include "engine/watch.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/engine.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WATCH_MAGIC 0x68777463u /* "hwtc" */

static const char *const poll_reasons[] = {
	[CHAIN_WATCHED] = "",
	[CHAIN_POLL_LIMIT] = ("the kernel gives no more inotify watches; raise "
			      "fs.inotify.max_user_watches with sysctl"),
	[CHAIN_POLL_PERMISSION] = "a directory on the way may not be listed and searched",
	[CHAIN_POLL_REMOTE] =
		"a network or FUSE file system does not tell of changes made elsewhere",
	[CHAIN_POLL_MOUNT] = ("a file of it is mounted by itself, and where it is changed is not "
			      "told; mount its directory instead"),
	[CHAIN_POLL_RACES] = "the directories on its path do not stop changing",
};

const char *watch_poll_reason(const struct watch *w)
{
	return w->polled == CHAIN_POLL_PERMISSION && w->denied ? w->denied
							       : poll_reasons[w->polled];
}

static void watch_turn(void *data)
{
	watch_mark(data, false);
}

static void watch_settle(void *data);

struct watch *watch_create(struct engine *engine, const struct config_watch *config)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->magic = WATCH_MAGIC;
	w->engine = engine;
	w->config = config;
	w->settled = true;
	list_init(&w->runners);
	list_init(&w->dirty_link);
	return w;
}

static void watch_set_settled(struct watch *w, bool settled)
{
	if (w->settled == settled)
		return;
	w->settled = settled;
	if (settled)
		w->engine->n_unsettled--;
	else
		w->engine->n_unsettled++;
}

void watch_destroy(struct watch *w)
{
	if (!w)
		return;
	assert(w->magic == WATCH_MAGIC && list_empty(&w->runners));
	watch_set_settled(w, true);
	list_remove(&w->dirty_link);
	loop_timer_remove(w->settle);
	loop_alarm_remove(w->turn);
	chain_finish(&w->chain, w->engine->inotify);
	free(w->denied);
	snapshot_unref(w->snapshot);
	w->magic = 0;
	free(w);
}

void watch_mark(struct watch *w, bool rescan)
{
	assert(w->magic == WATCH_MAGIC);
	if (!w->event_us)
		w->event_us = loop_now_us();
	w->rescan |= rescan;
	if (!list_empty(&w->dirty_link))
		return;
	list_push(&w->engine->dirty, &w->dirty_link);
	engine_watch_marked(w->engine, w);
}

/* ---- where to look ---- */

static void watch_note_denied(struct watch *w)
{
	free(w->denied);
	w->denied = NULL;
	if (w->chain.denied)
		w->denied = str_format("%s may not be listed and searched by user %u; "
				       "give that user r and x on it",
				       w->chain.denied, (unsigned)geteuid());
}

static void watch_follow(struct watch *w)
{
	const struct config_watch *c = w->config;
	const struct chain_target target = {
		.directory = c->directory,
		.files = {c->cert, c->key, c->ca, c->key_password_file},
		.match = c->match,
		.n_match = c->n_match,
	};
	int r = chain_watch(&w->chain, w->engine->inotify, &target, w);

	if (r < 0) {
		log_error("[watch %s]: %s; what it watched before stays", w->config->name,
			  strerror(-r));
		return;
	}
	watch_note_denied(w);
	if (w->polled == r)
		return;
	w->polled = r;
	if (r)
		engine_watch_polled(w->engine, w);
}

/* ---- what is there ---- */

static void wake_all(struct watch *w, enum runner_reason reason)
{
	struct list *pos, *next;

	list_for_each_safe (pos, next, &w->runners)
		runner_wake(container_of(pos, struct runner, watch_link), reason);
}

/* What has never been whole is not held back from those who can enrol. */
static bool watch_is_bare(const struct watch *w)
{
	return w->snapshot->pub.state == HC_STATE_MISSING && !w->was_whole;
}

/* Not whole for settle_warn: say so, and let those enrol who can. */
static void watch_settle(void *data)
{
	struct watch *w = data;

	watch_set_settled(w, true);
	log_warning("[watch %s]: held back: %s", w->config->name, w->snapshot->pub.error);
	if (!watch_is_bare(w))
		wake_all(w, RUNNER_CHANGE);
	engine_changed(w->engine);
}

static void settle_start(struct watch *w)
{
	int64_t after = w->config->settle_warn_ms;

	watch_set_settled(w, false);
	if (!w->settle)
		w->settle = loop_timer_add(w->engine->loop, after, watch_settle, w);
	else
		loop_timer_set(w->settle, after);
}

static void settle_stop(struct watch *w)
{
	watch_set_settled(w, true);
	if (w->settle)
		loop_timer_set(w->settle, -1);
}

/* How the new state follows from the old one: begin, go on, or end being held back. */
static void watch_judge(struct watch *w, int32_t before)
{
	int32_t state = w->snapshot->pub.state;

	if (state == HC_STATE_WHOLE) {
		settle_stop(w);
		if (w->was_whole && before != HC_STATE_WHOLE)
			log_notice("[watch %s]: whole again", w->config->name);
		w->was_whole = true;
	} else if (state == HC_STATE_EXPIRED) {
		settle_stop(w);
		log_warning("[watch %s]: held back: %s", w->config->name, w->snapshot->pub.error);
	} else if (before == HC_STATE_WHOLE || before == HC_STATE_EXPIRED) {
		settle_start(w);
	}
}

static void watch_set_turn(struct watch *w)
{
	int64_t at = snapshot_next_change(w->snapshot, loop_now_wall());

	if (w->turn)
		loop_alarm_set(w->turn, at);
	else if (at != INT64_MAX)
		w->turn = loop_alarm_add(w->engine->loop, at, watch_turn, w);
}

static void watch_take(struct watch *w, struct snapshot *fresh)
{
	int32_t before = w->snapshot ? w->snapshot->pub.state : HC_STATE_WHOLE;

	snapshot_unref(w->snapshot);
	w->snapshot = fresh;
	w->generation = fresh->pub.generation;
	w->changed_at = loop_now_wall();
	w->engine->totals.snapshots++;
	log_debug("[watch %s]: snapshot %llu%s%s", w->config->name,
		  (unsigned long long)w->generation, fresh->pub.error[0] ? ": " : "",
		  fresh->pub.error);
	watch_judge(w, before);
	watch_set_turn(w);
	wake_all(w, RUNNER_CHANGE);
	engine_changed(w->engine);
}

/* For want of memory or descriptors: what was read before stays, and the poll tries again. */
static void watch_note_failure(struct watch *w, int r)
{
	if (r >= 0) {
		w->failed = false;
		return;
	}
	if (!w->failed)
		log_error("[watch %s]: cannot be read now: %s; trying again", w->config->name,
			  strerror(-r));
	w->failed = true;
	engine_poll_soon(w->engine);
}

void watch_read(struct watch *w)
{
	struct snapshot *fresh = NULL;
	bool rescan = w->rescan;
	int r;

	if (list_empty(&w->dirty_link))
		return;
	list_remove(&w->dirty_link);
	w->rescan = false;
	watch_follow(w);
	r = snapshot_read(w->config, w->generation + 1, loop_now_wall(), w->snapshot, &fresh);
	watch_note_failure(w, r);
	if (r == 0)
		watch_take(w, fresh);
	else if (r == SNAPSHOT_SAME && rescan)
		wake_all(w, RUNNER_RESCAN);
	w->event_us = 0;
}

bool watch_is_polled(const struct watch *w)
{
	return w->polled || w->failed;
}

bool watch_offers(const struct watch *w, const struct runner *r)
{
	if (!w->snapshot)
		return false;
	if (w->snapshot->pub.state == HC_STATE_WHOLE)
		return true;
	if (!instance_wants_incomplete(r->instance))
		return false;
	return w->settled || watch_is_bare(w);
}
