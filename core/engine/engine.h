/*
 * engine/engine - generations of the configuration and the work between watches and instances
 */
#ifndef HC_ENGINE_ENGINE_H
#define HC_ENGINE_ENGINE_H

#include "base/errors.h"
#include "engine/generation.h"
#include "engine/runner.h"
#include "engine/watch.h"
#include "platform/inotify.h"
#include "platform/loop.h"
#include "platform/mounts.h"

struct engine_ops {
	void (*ready)(
		void *user); /* once: every watch read, every first job ended, or ready_timeout */
	void (*changed)(void *user); /* something that status shows has changed; called often */
	void *user;
};

struct engine_totals {
	uint64_t reloads_ok;
	uint64_t reloads_failed;
	uint64_t snapshots; /* read and new */
	uint64_t rescans;
};

/* Its members may be read by all above; written by engine/ alone. */
struct engine {
	unsigned magic;
	struct loop *loop;
	struct engine_ops ops;
	struct config_source source;
	struct inotify *inotify;
	struct mounts *mounts;	       /* NULL: not told */
	struct generation *generation; /* NULL before engine_load() */
	struct list dirty;	       /* watches to read */
	struct loop_task dirty_task;
	struct list queue; /* runners to start */
	size_t n_running;
	size_t n_unsettled; /* watches that are neither whole nor settled */
	size_t n_unready;   /* runners whose first job has not ended */
	bool ready;
	unsigned poll_warned; /* bit per enum chain_poll: its warning was given */
	struct loop_timer *ready_timer;
	struct loop_timer *rescan_timer;
	struct loop_timer *poll_timer;
	struct loop_task check_task; /* looks for syncs that are done */
	struct list syncs;
	struct engine_totals totals;
	int64_t started_at; /* wall clock */
	int64_t loaded_at;  /* wall clock of the last load or reload that worked */
	char *reload_error; /* of the last reload; NULL: it worked */
	char *state_dir;    /* since the start: a reload leaves it; NULL before */
};

/* source is copied, the strings in it are the caller's and must live as long. 0 or negative errno.
 */
int engine_create(struct loop *loop, const struct config_source *source,
		  const struct engine_ops *ops, struct engine **ret);
void engine_destroy(struct engine *e); /* takes NULL; cancels all jobs */

/*
 * The first configuration: 0, or 1 where errors were added and nothing was started. Instances that
 * are refused do not stop the rest: their reasons are added too, and 0 returned. Negative errno:
 * fatal.
 */
int engine_load(struct engine *e, struct errors *errors);

/* Reads the configuration anew, as one transaction: 0, or 1 and errors, and the old one runs on. */
int engine_reload(struct engine *e, struct errors *errors);

/* Checks as engine_load() would, instances created and destroyed again: 0, or 1 and errors. */
int engine_check(struct engine *e, struct errors *errors);

/* The runner of that full name ("redis:cache"), or NULL. */
struct runner *engine_runner(const struct engine *e, const char *full);
/* The watch of that name, or NULL. */
struct watch *engine_watch(const struct engine *e, const char *name);

/* ---- sync: hotcertctl sync ---- */

struct engine_sync;

/* all_ok: every instance is RUNNER_OK. why names the first that is not, else "". */
typedef void (*engine_sync_fn)(void *owner, bool all_ok, const char *why);

/*
 * Drains the kernel's events and calls fn, later, once nothing is to be read, no job runs or waits
 * for its turn, and no pair is within its settle_warn. NULL: no memory.
 */
struct engine_sync *engine_sync(struct engine *e, engine_sync_fn fn, void *owner);
void engine_sync_cancel(struct engine_sync *sync);

/* Whether every instance is OK; where not, the first that is not into why. */
bool engine_all_ok(const struct engine *e, char *why, size_t why_size);

/* ---- for the parts of the engine ---- */

void engine_changed(struct engine *e); /* tells ops.changed, looks at syncs and READY soon */
void engine_drain(struct engine *e);   /* takes the kernel's events in; reads nothing yet */
void engine_watch_marked(struct engine *e, struct watch *w);
void engine_watch_polled(struct engine *e, struct watch *w);
void engine_poll_soon(struct engine *e); /* reads what must be polled within a few seconds */
void engine_run(struct engine *e);	 /* starts runners while there are places */

#endif
