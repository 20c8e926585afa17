#include "engine/runner.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/action.h"
#include "engine/engine.h"
#include "engine/retry.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define RUNNER_MAGIC 0x6872756eu /* "hrun" */

const char *runner_state_name(enum runner_state state)
{
	static const char *const names[] = {
		[RUNNER_WAITING] = "waiting", [RUNNER_QUEUED] = "queued",
		[RUNNER_RUNNING] = "running", [RUNNER_OK] = "ok",
		[RUNNER_RETRY] = "retry",     [RUNNER_FAILED] = "failed",
		[RUNNER_REFUSED] = "refused"};

	return names[state];
}

static void runner_set_state(struct runner *r, enum runner_state state)
{
	if (r->state == state)
		return;
	r->state = state;
	engine_changed(r->engine);
}

static void runner_request(void *owner)
{
	runner_wake(owner, RUNNER_REQUEST);
}

static void runner_retry(void *data)
{
	runner_wake(data, RUNNER_RETRY_DUE);
}

void runner_wind_retry(struct runner *r, int64_t after_ms)
{
	if (r->retry)
		loop_timer_set(r->retry, after_ms);
	else if (after_ms >= 0)
		r->retry = loop_timer_add(r->engine->loop, after_ms, runner_retry, r);
}

static void runner_unwind_retry(struct runner *r)
{
	runner_wind_retry(r, -1);
	r->retry_at = 0;
}

/* ---- creation ---- */

static char *errors_joined(const struct errors *errors, size_t from)
{
	struct str text = {0};

	for (size_t i = from; i < errors->n; i++)
		str_addf(&text, "%s%s", i > from ? "; " : "", errors->text[i]);
	return str_take(&text);
}

int runner_create(struct engine *engine, const struct config_daemon *daemon,
		  const struct config_instance *config, struct errors *errors, struct runner **ret)
{
	struct runner *r = calloc(1, sizeof(*r));
	size_t before = errors->n;
	int result;

	if (!r)
		return -ENOMEM;
	r->magic = RUNNER_MAGIC;
	r->engine = engine;
	r->config = config;
	list_init(&r->watch_link);
	list_init(&r->queue_link);
	list_init(&r->actions);
	result = instance_create(daemon, config, runner_request, r, errors, &r->instance);
	if (result == INSTANCE_MISCONFIGURED) {
		free(r);
		return result;
	}
	if (result == INSTANCE_REFUSED) {
		r->state = RUNNER_REFUSED;
		r->message = errors_joined(errors, before);
	}
	*ret = r;
	return result;
}

static void runner_done_first(struct runner *r)
{
	if (r->first_done || !r->watch || !r->instance)
		return;
	r->first_done = true;
	r->engine->n_unready--;
}

void runner_destroy(struct runner *r)
{
	if (!r)
		return;
	assert(r->magic == RUNNER_MAGIC);
	job_cancel(steal(&r->job));
	if (r->busy)
		r->engine->n_running--;
	runner_done_first(r);
	actions_drop(r);
	list_remove(&r->queue_link);
	list_remove(&r->watch_link);
	loop_timer_remove(r->retry);
	instance_destroy(r->instance);
	free(r->message);
	r->magic = 0;
	free(r);
}

void runner_bind(struct runner *r, struct watch *watch)
{
	r->watch = watch;
	list_push(&watch->runners, &r->watch_link);
	if (r->instance)
		r->engine->n_unready++;
}

/* ---- waking ---- */

static void runner_enqueue(struct runner *r)
{
	if (r->busy || !list_empty(&r->queue_link))
		return;
	if (!r->wanted && list_empty(&r->actions))
		return;
	if (r->wanted)
		runner_set_state(r, RUNNER_QUEUED);
	list_push(&r->engine->queue, &r->queue_link);
	engine_run(r->engine);
}

static void runner_wait(struct runner *r)
{
	r->wanted = false;
	runner_unwind_retry(r);
	if (!r->busy)
		runner_set_state(r, RUNNER_WAITING);
}

/* Whether this reason is enough to try now, whatever the last try said. */
static bool runner_heeds(struct runner *r, enum runner_reason reason)
{
	switch (reason) {
	case RUNNER_RESCAN:
		/* A job under way looks already. */
		return r->state != RUNNER_RETRY && r->state != RUNNER_FAILED &&
		       r->state != RUNNER_RUNNING;
	case RUNNER_REQUEST:
		r->noisy = true;
		return true;
	case RUNNER_RETRY_DUE:
		return true;
	case RUNNER_START:
		r->noisy = true;
		if (!retry_resume(r))
			return true;
		runner_set_state(r, RUNNER_RETRY);
		runner_done_first(r);
		return false;
	case RUNNER_CHANGE:
	case RUNNER_MANUAL:
		break;
	}
	r->noisy = true;
	retry_forget(r);
	return true;
}

void runner_wake(struct runner *r, enum runner_reason reason)
{
	assert(r->magic == RUNNER_MAGIC);
	if (!r->instance || !r->watch)
		return;
	if (!watch_offers(r->watch, r)) {
		runner_wait(r);
		return;
	}
	if (!r->woken)
		reason = RUNNER_START;
	r->woken = true;
	if (!runner_heeds(r, reason))
		return;
	runner_unwind_retry(r);
	r->wanted = true;
	runner_enqueue(r);
}

/* ---- jobs ---- */

static bool is_power_of_two(uint32_t n)
{
	return (n & (n - 1)) == 0;
}

static void log_ok(const struct runner *r, const struct job_result *result, bool loud)
{
	int level = !loud ? 7 : result->status == HC_SAME && !r->attempts ? 6 : 5;

	log_msg(level, "%s: %s [%.1f ms]", r->config->full, result->text,
		(double)result->took_us / 1e3);
}

/* The first of a row of equal failures in full, then ever more rarely: a line, then patience. */
static void log_retry(const struct runner *r, const char *text, bool is_new, int64_t delay_ms)
{
	int level = is_new || is_power_of_two(r->attempts) ? 4 : 7;

	log_msg(level, "%s: %s; try %u, the next in %.1f s", r->config->full, text, r->attempts,
		(double)delay_ms / 1e3);
}

static void runner_judge(struct runner *r, const struct job_result *result)
{
	bool recovered = r->attempts > 0;
	bool is_new = !r->message || strcmp(r->message, result->text) != 0;
	int64_t delay;

	free(r->message);
	r->message = strdup(result->text);
	switch (result->status) {
	case HC_OK:
	case HC_SAME:
		r->totals.ok++;
		r->ok_at = r->ended_at;
		r->generation = result->snapshot->pub.generation;
		log_ok(r, result, r->noisy || recovered);
		retry_forget(r);
		r->noisy = false;
		runner_set_state(r, RUNNER_OK);
		break;
	case HC_RETRY:
		r->totals.retry++;
		delay = retry_later(r, result);
		log_retry(r, result->text, is_new, delay);
		runner_set_state(r, RUNNER_RETRY);
		break;
	default:
		r->totals.failed++;
		retry_give_up(r, result);
		log_error("%s: %s; waits for a change or `hotcertctl retry %s`", r->config->full,
			  result->text, r->config->full);
		runner_set_state(r, RUNNER_FAILED);
		break;
	}
}

/* What the job itself wrote must be seen before anything else is decided. */
static void runner_look_again(struct runner *r)
{
	engine_drain(r->engine);
	watch_read(r->watch);
	if (!watch_offers(r->watch, r))
		runner_wait(r);
}

static void runner_free_place(struct runner *r)
{
	r->job = NULL;
	r->busy = false;
	r->engine->n_running--;
}

static void runner_applied(void *owner, const struct job_result *result)
{
	struct runner *r = owner;

	assert(r->magic == RUNNER_MAGIC);
	runner_free_place(r);
	r->ended_at = loop_now_wall();
	r->took_us = result->took_us;
	runner_judge(r, result);
	runner_done_first(r);
	runner_look_again(r);
	runner_enqueue(r);
	engine_run(r->engine);
	engine_changed(r->engine);
}

static void runner_apply(struct runner *r)
{
	struct watch *w = r->watch;

	r->wanted = false;
	runner_unwind_retry(r);
	if (!watch_offers(w, r)) {
		runner_wait(r);
		return;
	}
	r->busy = true;
	r->engine->n_running++;
	runner_set_state(r, RUNNER_RUNNING);
	r->job = job_apply(r->instance, w->snapshot, instance_timeout(r->instance, r->config),
			   runner_applied, r);
	if (r->job)
		return;
	runner_free_place(r);
	log_error("%s: out of memory", r->config->full);
	runner_set_state(r, RUNNER_FAILED);
}

void runner_start_next(struct runner *r)
{
	assert(!r->busy);
	if (!actions_start(r) && r->wanted)
		runner_apply(r);
}

/* ---- for engine/action.c ---- */

void runner_action_begun(struct runner *r)
{
	r->busy = true;
	r->engine->n_running++;
	engine_changed(r->engine);
}

void runner_action_ended(struct runner *r)
{
	runner_free_place(r);
	runner_look_again(r);
	runner_enqueue(r);
	engine_run(r->engine);
	engine_changed(r->engine);
}

void runner_action_wanted(struct runner *r)
{
	runner_enqueue(r);
}
