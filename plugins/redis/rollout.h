/*
 * redis/rollout - all servers of an instance
 *
 * They are looked at side by side, so that none waits for one that hangs, and changed one after
 * another, replicas first, up to the first change that fails. A server that cannot be reached is no
 * failed change: it alone is left for the next try.
 */
#ifndef HC_REDIS_ROLLOUT_H
#define HC_REDIS_ROLLOUT_H

#include "redis/target.h"

#include <hotcert/plugin.h>
#include <stdbool.h>

/* text is valid inside the call; one line, or of a check the report. */
typedef void (*rollout_fn)(void *data, int32_t status, const char *text);

enum turn_state {
	TURN_WAITING, /* to be looked at */
	TURN_LOOKING,
	TURN_DUE, /* to be changed */
	TURN_CHANGING,
	TURN_DONE, /* serves what is wanted */
	TURN_FAILED,
};

struct rollout;

struct turn {
	struct rollout *rollout;
	struct target *target;
	enum turn_state state;
	int32_t status; /* where it has ended */
};

struct rollout {
	const struct hc_host *host;
	hc_ctx *ctx;
	struct turn *turns;
	uint32_t n;
	uint32_t looking;
	bool running, check;
	bool pumping;		     /* a turn that ends at once is not begun from inside another */
	const struct turn *changing; /* NULL: none */
	const struct turn *stopped;  /* the change that failed; NULL: none */
	hc_timer *quiet;	     /* runs while replicas may still have to be heard of */
	bool all_heard;
	const struct wanted *wanted;
	rollout_fn fn;
	void *data;
};

/* Takes over n targets; a zeroed rollout can be finished. Returns 0 or -ENOMEM. */
int rollout_init(struct rollout *rollout, const struct hc_host *host, hc_ctx *ctx, uint32_t n);
int rollout_add(struct rollout *rollout, struct target *target);
void rollout_finish(struct rollout *rollout);

/*
 * Runs the targets; fn is called once, maybe from inside. wanted must live until then. again: those
 * that the last run has brought in line with the same files are left out.
 */
void rollout_start(struct rollout *rollout, const struct wanted *wanted, bool again, rollout_fn fn,
		   void *data);
/* Looks at all of them and reports; wanted may be NULL. */
void rollout_check(struct rollout *rollout, const struct wanted *wanted, rollout_fn fn, void *data);
/* fn is not called any more. */
void rollout_cancel(struct rollout *rollout);

/* Whether all that has failed wants more patience than the host's next delay. */
bool rollout_wants_patience(const struct rollout *rollout);

#endif
