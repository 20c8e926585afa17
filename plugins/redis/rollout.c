#include "redis/rollout.h"

#include "common/mem.h"
#include "redis/rollout_text.h"

#include <errno.h>

/* So many servers are spoken to at once: handshakes side by side compete for one thread. */
#define LOOKS_MAX 64
/* Primaries wait for replicas to say what they are until nobody has said anything for so long. */
#define QUIET_MS 1000

/* ---- the order ---- */

static uint32_t count(const struct rollout *r, enum turn_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n; i++)
		n += r->turns[i].state == state;
	return n;
}

static struct turn *first(struct rollout *r, enum turn_state state)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->turns[i].state == state)
			return &r->turns[i];
	return NULL;
}

/* Whose change comes next: a replica's, then, when all have been heard, anybody's. */
static struct turn *next_due(struct rollout *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->turns[i].state == TURN_DUE && target_is_replica(r->turns[i].target))
			return &r->turns[i];
	return r->all_heard ? first(r, TURN_DUE) : NULL;
}

/* ---- one turn ---- */

static void pump(struct rollout *r);

static void hear(struct rollout *r);

/* Ends the rollout for a change that failed: nobody waits for those that are still looked at. */
static void stop(struct rollout *r, const struct turn *failed)
{
	r->stopped = failed;
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->turns[i].state != TURN_LOOKING)
			continue;
		target_cancel(r->turns[i].target);
		r->turns[i].state = TURN_WAITING;
		r->looking--;
	}
}

/* What is refused right before a change would be refused everywhere, as a failed change. */
static void end_turn(struct turn *turn, int32_t status)
{
	struct rollout *r = turn->rollout;

	turn->status = status;
	if (status == TARGET_DUE)
		turn->state = TURN_DUE;
	else
		turn->state = status == HC_OK || status == HC_SAME ? TURN_DONE : TURN_FAILED;
	if (turn->state == TURN_FAILED && target_touched(turn->target) && !r->check && !r->stopped)
		stop(r, turn);
}

static void on_turn(void *data, int32_t status, const char *text)
{
	struct turn *turn = data;
	struct rollout *r = turn->rollout;
	bool changed = turn->state == TURN_CHANGING;

	(void)text;
	end_turn(turn, status);
	if (changed) {
		r->changing = NULL;
	} else {
		r->looking--;
		hear(r);
	}
	pump(r);
}

static void look(struct turn *turn)
{
	struct rollout *r = turn->rollout;
	/* One server alone has nobody to wait for. */
	enum target_goal goal = r->check ? TARGET_CHECK : r->n == 1 ? TARGET_APPLY : TARGET_LOOK;

	turn->state = TURN_LOOKING;
	r->looking++;
	target_run(turn->target, r->wanted, goal, on_turn, turn);
}

static void change(struct turn *turn)
{
	turn->state = TURN_CHANGING;
	turn->rollout->changing = turn;
	target_run(turn->target, turn->rollout->wanted, TARGET_APPLY, on_turn, turn);
}

/* ---- whether all have been heard ---- */

static void on_quiet(void *data)
{
	struct rollout *r = data;

	r->host->timer_remove(steal(&r->quiet));
	r->all_heard = true;
	pump(r);
}

/* Somebody has said what it is, or that it does not answer. */
static void hear(struct rollout *r)
{
	r->all_heard = r->looking == 0 && count(r, TURN_WAITING) == 0;
	if (r->all_heard)
		r->host->timer_remove(steal(&r->quiet));
	else if (r->quiet)
		r->host->timer_set(r->quiet, QUIET_MS);
	else
		r->quiet = r->host->timer_add(r->ctx, QUIET_MS, on_quiet, r);
}

/* ---- all of them ---- */

static void finish(struct rollout *r)
{
	cleanup_free char *text = NULL;
	int32_t status = HC_FAILED;

	r->running = false;
	r->host->timer_remove(steal(&r->quiet));
	text = r->check ? rollout_report(r, &status) : rollout_result(r, &status);
	r->fn(r->data, status, text ? text : "out of memory");
}

static bool begin_look(struct rollout *r)
{
	struct turn *turn = r->stopped || r->looking >= LOOKS_MAX ? NULL : first(r, TURN_WAITING);

	if (turn)
		look(turn);
	return turn;
}

static bool begin_change(struct rollout *r)
{
	struct turn *turn = r->stopped || r->changing ? NULL : next_due(r);

	if (turn)
		change(turn);
	return turn;
}

static bool at_end(const struct rollout *r)
{
	if (r->looking > 0 || r->changing)
		return false;
	return r->stopped || (count(r, TURN_WAITING) == 0 && count(r, TURN_DUE) == 0);
}

/* Begins what can be begun. Turns may end inside, and call this again. */
static void pump(struct rollout *r)
{
	if (r->pumping)
		return;
	r->pumping = true;
	while (begin_look(r) || begin_change(r))
		continue;
	r->pumping = false;
	if (r->running && at_end(r))
		finish(r);
}

/* ---- what the owner calls ---- */

int rollout_init(struct rollout *r, const struct hc_host *host, hc_ctx *ctx, uint32_t n)
{
	*r = (struct rollout){.host = host, .ctx = ctx};
	r->turns = calloc(n ? n : 1, sizeof(*r->turns));
	return r->turns ? 0 : -ENOMEM;
}

int rollout_add(struct rollout *r, struct target *target)
{
	if (!target)
		return -ENOMEM;
	r->turns[r->n++] = (struct turn){.rollout = r, .target = target};
	return 0;
}

void rollout_finish(struct rollout *r)
{
	if (!r->turns)
		return;
	rollout_cancel(r);
	for (uint32_t i = 0; i < r->n; i++)
		target_destroy(r->turns[i].target);
	free(steal(&r->turns));
}

static void start(struct rollout *r, const struct wanted *wanted, rollout_fn fn, void *data)
{
	r->running = true;
	r->looking = 0;
	r->changing = r->stopped = NULL;
	r->all_heard = false;
	r->wanted = wanted;
	r->fn = fn;
	r->data = data;
	pump(r);
}

void rollout_start(struct rollout *r, const struct wanted *wanted, bool again, rollout_fn fn,
		   void *data)
{
	again = again && !r->check; /* a check says nothing of what was done */
	r->check = false;
	for (uint32_t i = 0; i < r->n; i++)
		if (!again || r->turns[i].state != TURN_DONE)
			r->turns[i].state = TURN_WAITING;
	start(r, wanted, fn, data);
}

void rollout_check(struct rollout *r, const struct wanted *wanted, rollout_fn fn, void *data)
{
	r->check = true;
	for (uint32_t i = 0; i < r->n; i++)
		r->turns[i].state = TURN_WAITING;
	start(r, wanted, fn, data);
}

void rollout_cancel(struct rollout *r)
{
	if (!r->running)
		return;
	r->running = false;
	r->host->timer_remove(steal(&r->quiet));
	for (uint32_t i = 0; i < r->n; i++)
		target_cancel(r->turns[i].target);
}

bool rollout_wants_patience(const struct rollout *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->turns[i].state == TURN_FAILED && !target_wants_patience(r->turns[i].target))
			return false;
	return true;
}
