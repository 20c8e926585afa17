/*
 * redis/target - one server: brought to serve what is wanted, proven by a handshake
 *
 * The connection to it is kept between runs, idle and without a timer.
 */
#ifndef HC_REDIS_TARGET_H
#define HC_REDIS_TARGET_H

#include "redis/config.h"
#include "redis/wanted.h"

#include <hotcert/plugin.h>

struct target;

/* How far a run goes. */
enum target_goal {
	TARGET_CHECK, /* up to the change, with a report for a person */
	TARGET_LOOK,  /* up to the change: ends with TARGET_DUE where there is one to be made */
	TARGET_APPLY, /* to the end; after a look that found a change due, from there on */
};

/* The end of a look, beside the statuses of a job. */
#define TARGET_DUE 2

/* status is HC_OK, HC_SAME, HC_RETRY, HC_FAILED or TARGET_DUE; text is one line without the
 * address. */
typedef void (*target_fn)(void *data, int32_t status, const char *text);

/* config must outlive the target. name is the address as configured. NULL: out of memory. */
struct target *target_create(const struct redis_config *config, const char *name,
			     const struct stream_addr *addr);
void target_destroy(struct target *target); /* takes NULL */

/*
 * Begins a run; fn is called once, maybe from inside. wanted must live until then. It is NULL where
 * no snapshot was seen yet: then the goal has to be a check.
 */
void target_run(struct target *target, const struct wanted *wanted, enum target_goal goal,
		target_fn fn, void *data);
/* fn is not called any more. */
void target_cancel(struct target *target);

/* Closes the connection that proved the last run, whose end did not wait for that. */
void target_tear_down(struct target *target);
/* Puts what is to survive a restart into config->book, where it has changed; so does the end. */
void target_put(struct target *target);
bool target_unsaved(const struct target *target);

const char *target_name(const struct target *target);
/* Whether the server has said in the run under way, or in the last one, that it is a replica. */
bool target_is_replica(const struct target *target);
/* Whether the last run ended in the change, or in what is checked right before it. */
bool target_touched(const struct target *target);
/* Whether the last run failed for what only people change, and soon would be too often. */
bool target_wants_patience(const struct target *target);
/* What the last run said, without the address. */
const char *target_last_text(const struct target *target);
/* Lines of the last check, for a person. */
const char *target_report(const struct target *target);
/* Adds the target's line to `hotcertctl status`. */
void target_show(const struct target *target);

#endif
