/*
 * engine/runner - decides when an instance gets a job: at once, in turn, or after a backoff
 *
 * What it keeps is a wish, not a snapshot: when its turn comes it takes what the watch holds by
 * then.
 */
#ifndef HC_ENGINE_RUNNER_H
#define HC_ENGINE_RUNNER_H

#include "base/errors.h"
#include "base/list.h"
#include "base/table.h"
#include "model/config.h"
#include "plugins/instance.h"
#include "plugins/job.h"

struct engine;
struct watch;

/* What `hotcertctl status` calls the state of an instance. */
enum runner_state {
	RUNNER_WAITING, /* for a whole snapshot */
	RUNNER_QUEUED,
	RUNNER_RUNNING,
	RUNNER_OK,
	RUNNER_RETRY,	/* the last try failed; another one comes at retry_at */
	RUNNER_FAILED,	/* until the next change, or hotcertctl retry */
	RUNNER_REFUSED, /* the plugin could not be loaded or refused its configuration */
};

/* Why a runner is woken. */
enum runner_reason {
	RUNNER_START,	  /* the instance is new: heed what was tried before the restart */
	RUNNER_CHANGE,	  /* a new snapshot: tries start anew */
	RUNNER_RESCAN,	  /* look whether all is still right; leaves a backoff alone */
	RUNNER_REQUEST,	  /* the plugin asked */
	RUNNER_RETRY_DUE, /* the backoff is over */
	RUNNER_MANUAL,	  /* a person asked: now */
};

struct runner_totals {
	uint64_t ok;
	uint64_t retry;
	uint64_t failed;
};

/* Its members may be read by all above; written by engine/runner.c alone. */
struct runner {
	unsigned magic;
	struct table_entry entry; /* generation.runner_table, by full name */
	struct engine *engine;
	const struct config_instance *config; /* of the generation at hand */
	struct instance *instance;	      /* NULL: refused */
	struct watch *watch;
	struct list watch_link; /* watch.runners */
	struct list queue_link; /* engine.queue: waits for a place among the running */
	struct list actions;	/* struct runner_action, waiting or first of them running */
	enum runner_state state;
	bool wanted;	 /* an apply() is due */
	bool woken;	 /* it has been offered a snapshot before */
	bool busy;	 /* inside a job, from before its start to its end */
	bool noisy;	 /* its success is worth a line in the log */
	bool first_done; /* its first job has ended: for READY */
	struct job *job;
	bool job_is_action;
	struct loop_timer *retry;
	uint32_t attempts;
	int64_t retry_at;    /* wall clock; 0: none */
	char *message;	     /* of the last end, or why refused; may be NULL */
	int64_t ended_at;    /* wall clock of the last end of an apply; 0: never */
	int64_t ok_at;	     /* wall clock of the last success; 0: never */
	int64_t took_us;     /* of the last apply */
	uint64_t generation; /* of the snapshot that was last applied with success */
	bool persisted;	     /* a state_job is on disk */
	struct runner_totals totals;
};

const char *runner_state_name(enum runner_state state);

/*
 * Makes the runner and its instance. Returns 0, INSTANCE_MISCONFIGURED (no runner), or
 * INSTANCE_REFUSED: *ret is a runner in state REFUSED; errors say why. Negative errno: no memory.
 */
int runner_create(struct engine *engine, const struct config_daemon *daemon,
		  const struct config_instance *config, struct errors *errors, struct runner **ret);
/* Cancels what is in flight; actions are told. Takes NULL. */
void runner_destroy(struct runner *r);

/* Binds it to its watch; the runner is woken by it from then on. */
void runner_bind(struct runner *r, struct watch *watch);

void runner_wake(struct runner *r, enum runner_reason reason);

/* Starts what waits, as far as there are places; called by the engine. */
void runner_start_next(struct runner *r);

/* ---- actions ---- */

struct runner_action;

/* text may have several lines. status is HC_OK, HC_RETRY or HC_FAILED. */
typedef void (*runner_action_fn)(void *owner, int32_t status, const char *text);

/*
 * Asks for an action of the plugin (`renew`) after what runs now. fn is called once, later, unless
 * runner_action_cancel() comes first. NULL: no memory. The action must be in the plugin's table.
 */
struct runner_action *runner_act(struct runner *r, const char *name, uint32_t argc,
				 const char *const *argv, runner_action_fn fn, void *owner);
/* Nobody waits any more; the action itself goes on if it has begun. */
void runner_action_cancel(struct runner_action *action);

#endif
