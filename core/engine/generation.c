#include "engine/generation.h"

#include "base/mem.h"
#include "engine/engine.h"

#include <errno.h>
#include <string.h>

static uint64_t name_hash(const char *name)
{
	return table_hash(0, name, strlen(name));
}

struct watch *generation_watch(const struct generation *g, const char *name)
{
	struct table_entry *e = table_first(&g->watch_table, name_hash(name));

	for (; e; e = table_next_same(e)) {
		struct watch *w = container_of(e, struct watch, entry);

		if (!strcmp(w->config->name, name))
			return w;
	}
	return NULL;
}

struct runner *generation_runner(const struct generation *g, const char *full)
{
	struct table_entry *e = table_first(&g->runner_table, name_hash(full));

	for (; e; e = table_next_same(e)) {
		struct runner *r = container_of(e, struct runner, entry);

		if (!strcmp(r->config->full, full))
			return r;
	}
	return NULL;
}

/* ---- the end ---- */

static void generation_free(struct generation *g)
{
	table_finish(&g->watch_table);
	table_finish(&g->runner_table);
	free(g->watches);
	free(g->watch_kept);
	free(g->runners);
	free(g->runner_kept);
	config_destroy(g->config);
	free(g);
}

/* Runners first: they hang on watches. */
static void drop(struct generation *g, size_t n_runners, size_t n_watches)
{
	for (size_t i = 0; g->runners && g->runner_kept && i < n_runners; i++)
		if (!g->runner_kept[i])
			runner_destroy(g->runners[i]);
	for (size_t i = 0; g->watches && g->watch_kept && i < n_watches; i++)
		if (!g->watch_kept[i])
			watch_destroy(g->watches[i]);
}

static void generation_undo(struct generation *g, const struct config *config)
{
	drop(g, config->n_instances, config->n_watches);
	generation_free(g);
}

/* ---- build ---- */

static struct watch *watch_of_old(const struct generation *old, const struct config_watch *config)
{
	struct watch *w = old ? generation_watch(old, config->name) : NULL;

	return w && config_watch_equal(w->config, config) ? w : NULL;
}

/* Kept only on a watch that is kept: its snapshot and its place among the runners stay as they are.
 */
static struct runner *runner_of_old(const struct generation *old,
				    const struct config_instance *config)
{
	struct runner *r = old ? generation_runner(old, config->full) : NULL;

	return r && r->instance && r->watch->kept && config_instance_equal(r->config, config)
		       ? r
		       : NULL;
}

static int build_watches(struct engine *e, struct generation *g, const struct generation *old)
{
	for (size_t i = 0; old && i < old->config->n_watches; i++)
		old->watches[i]->kept = false;
	for (size_t i = 0; i < g->config->n_watches; i++) {
		const struct config_watch *config = &g->config->watches[i];

		g->watches[i] = watch_of_old(old, config);
		g->watch_kept[i] = g->watches[i] != NULL;
		if (g->watches[i])
			g->watches[i]->kept = true;
		if (!g->watches[i])
			g->watches[i] = watch_create(e, config);
		if (!g->watches[i])
			return -ENOMEM;
	}
	return 0;
}

static int build_runner(struct engine *e, struct generation *g, const struct generation *old,
			struct errors *errors, size_t i)
{
	const struct config_instance *config = &g->config->instances[i];
	struct config_daemon daemon = g->config->daemon;
	int r;

	if (e->state_dir)
		daemon.state_dir = e->state_dir;
	g->runners[i] = runner_of_old(old, config);
	g->runner_kept[i] = g->runners[i] != NULL;
	if (g->runners[i])
		return 0;
	r = runner_create(e, &daemon, config, errors, &g->runners[i]);
	if (r == INSTANCE_REFUSED)
		g->n_refused++;
	return r < 0 ? r : r == INSTANCE_MISCONFIGURED;
}

/* All of them, even after one is wrong: a person wants to see every error at once. */
static int build_runners(struct engine *e, struct generation *g, const struct generation *old,
			 struct errors *errors)
{
	int wrong = 0;

	for (size_t i = 0; i < g->config->n_instances; i++) {
		int r = build_runner(e, g, old, errors, i);

		if (r < 0)
			return r;
		wrong |= r;
	}
	return wrong;
}

static int reserve(struct generation *g)
{
	size_t n_watches = g->config->n_watches, n_runners = g->config->n_instances;

	g->watches = calloc(n_watches + 1, sizeof(struct watch *));
	g->watch_kept = calloc(n_watches + 1, sizeof(bool));
	g->runners = calloc(n_runners + 1, sizeof(struct runner *));
	g->runner_kept = calloc(n_runners + 1, sizeof(bool));
	if (!g->watches || !g->watch_kept || !g->runners || !g->runner_kept)
		return -ENOMEM;
	if (table_reserve(&g->watch_table, n_watches + 1) < 0)
		return -ENOMEM;
	return table_reserve(&g->runner_table, n_runners + 1);
}

int generation_build(struct engine *e, struct config *config, const struct generation *old,
		     struct errors *errors, struct generation **ret)
{
	struct generation *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	g->config = config;
	r = reserve(g);
	if (!r)
		r = build_watches(e, g, old);
	if (!r)
		r = build_runners(e, g, old, errors);
	if (r) {
		g->config = NULL; /* still the caller's */
		generation_undo(g, config);
		return r;
	}
	*ret = g;
	return 0;
}

void generation_abort(struct generation *g)
{
	if (g)
		generation_undo(g, g->config);
}

void generation_destroy(struct generation *g)
{
	if (!g)
		return;
	memset(g->runner_kept, 0, g->config->n_instances * sizeof(bool));
	memset(g->watch_kept, 0, g->config->n_watches * sizeof(bool));
	generation_abort(g);
}

/* ---- commit ---- */

/* In old, kept is what goes on living in the new generation: adopt() gave it its new configuration.
 */
static void mark_kept(struct generation *old)
{
	for (size_t i = 0; i < old->config->n_instances; i++)
		old->runner_kept[i] = old->runners[i]->config != &old->config->instances[i];
	for (size_t i = 0; i < old->config->n_watches; i++)
		old->watch_kept[i] = old->watches[i]->config != &old->config->watches[i];
}

static void adopt(struct generation *g)
{
	for (size_t i = 0; i < g->config->n_watches; i++) {
		struct watch *w = g->watches[i];

		w->config = &g->config->watches[i];
		w->entry.hash = name_hash(w->config->name);
		(void)table_add(&g->watch_table, &w->entry);
	}
	for (size_t i = 0; i < g->config->n_instances; i++) {
		struct runner *r = g->runners[i];

		r->config = &g->config->instances[i];
		r->entry.hash = name_hash(r->config->full);
		(void)table_add(&g->runner_table, &r->entry);
	}
}

static void start_new(struct generation *g)
{
	for (size_t i = 0; i < g->config->n_instances; i++)
		if (!g->runner_kept[i])
			runner_bind(g->runners[i],
				    generation_watch(g, g->config->instances[i].watch));
	for (size_t i = 0; i < g->config->n_watches; i++)
		if (!g->watch_kept[i])
			watch_mark(g->watches[i], false);
	for (size_t i = 0; i < g->config->n_instances; i++)
		if (!g->runner_kept[i] && g->runners[i]->watch->snapshot)
			runner_wake(g->runners[i], RUNNER_START);
}

void generation_commit(struct engine *e, struct generation *g, struct generation *old)
{
	if (old) { /* its tables lose their entries to the new one's */
		table_finish(&old->watch_table);
		table_finish(&old->runner_table);
	}
	adopt(g);
	e->generation = g;
	if (old) {
		mark_kept(old);
		generation_abort(old);
	}
	start_new(g);
}
