/*
 * engine/generation - one configuration with its watches and runners: built, then committed or
 * dropped
 */
#ifndef HC_ENGINE_GENERATION_H
#define HC_ENGINE_GENERATION_H

#include "base/errors.h"
#include "base/table.h"
#include "model/config.h"

#include <stdbool.h>
#include <stddef.h>

struct engine;
struct runner;
struct watch;

struct generation {
	struct config *config;
	struct watch **watches; /* in the order of config */
	struct runner **runners;
	bool *watch_kept; /* taken over from the generation before */
	bool *runner_kept;
	struct table watch_table;
	struct table runner_table;
	size_t n_refused;
};

/*
 * Builds a generation for a configuration, taking over from old (may be NULL) what is equal in
 * both. Returns 0 and owns config then; 1 where the configuration is wrong; negative errno.
 * Instances that are refused are counted in n_refused, with their reasons in errors.
 */
int generation_build(struct engine *e, struct config *config, const struct generation *old,
		     struct errors *errors, struct generation **ret);

/* The new one runs: drops what only old had, points what is kept at its new configuration, binds
 * and wakes what is new. Frees old. */
void generation_commit(struct engine *e, struct generation *g, struct generation *old);

/* Undoes generation_build(): what was taken over stays with its owner. Takes NULL. */
void generation_abort(struct generation *g);

/* Ends all of it. Takes NULL. */
void generation_destroy(struct generation *g);

struct watch *generation_watch(const struct generation *g, const char *name);
struct runner *generation_runner(const struct generation *g, const char *full);

#endif
