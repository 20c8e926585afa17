/*
 * trust/program - a run of a program that changes a store or tells what is in it
 */
#ifndef HC_TRUST_PROGRAM_H
#define HC_TRUST_PROGRAM_H

#include "common/tail.h"
#include "trust/store.h"

/* Zero it, set env, on_end and data. One run at a time. */
struct program {
	const struct store_env *env;
	/* The end of a run: HC_OK, or HC_RETRY or HC_FAILED and what has happened, one line. */
	void (*on_end)(void *data, int32_t status, const char *why);
	/* Each line of output; may be NULL. */
	void (*on_line)(void *data, const char *line);
	void *data;

	const char *name;
	hc_child *child;
	struct tail tail;
};

/*
 * Runs it; on_end() comes later, or now where it cannot be started. name: what messages call it.
 * env: added to the daemon's, or NULL. The program inherits the descriptor `lock`, where that is
 * not -1: where this daemon is killed the program goes on, and whoever comes next must wait for its
 * end.
 */
void program_run(struct program *p, const char *name, const char *const *argv,
		 const char *const *env, int lock);

/* Kills it; on_end() does not come any more. */
void program_stop(struct program *p);

#endif
