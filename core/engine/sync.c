#include "engine/sync.h"

#include "base/mem.h"

#include <stdio.h>

struct engine_sync {
	struct list link; /* engine.syncs */
	engine_sync_fn fn;
	void *owner;
};

static const char *runner_trouble(const struct runner *r)
{
	if (r->state == RUNNER_OK)
		return NULL;
	if (r->state == RUNNER_WAITING && r->watch)
		return r->watch->snapshot ? r->watch->snapshot->pub.error
					  : "its files have not been read yet";
	return r->message ? r->message : "";
}

bool engine_all_ok(const struct engine *e, char *why, size_t why_size)
{
	const struct generation *g = e->generation;

	why[0] = '\0';
	for (size_t i = 0; g && i < g->config->n_instances; i++) {
		const struct runner *r = g->runners[i];
		const char *trouble = runner_trouble(r);

		if (!trouble)
			continue;
		snprintf(why, why_size, "%s is %s: %s", r->config->full,
			 runner_state_name(r->state), trouble);
		return false;
	}
	return true;
}

static bool engine_is_settled(const struct engine *e)
{
	return list_empty(&e->dirty) && list_empty(&e->queue) && !e->n_running && !e->n_unsettled;
}

static void sync_end(struct engine_sync *s, bool all_ok, const char *why)
{
	list_remove(&s->link);
	s->fn(s->owner, all_ok, why);
	free(s);
}

void syncs_look(struct engine *e)
{
	char why[1024];
	bool all_ok;

	if (list_empty(&e->syncs) || !engine_is_settled(e))
		return;
	all_ok = engine_all_ok(e, why, sizeof(why));
	while (!list_empty(&e->syncs))
		sync_end(container_of(e->syncs.next, struct engine_sync, link), all_ok, why);
}

void syncs_drop(struct engine *e)
{
	while (!list_empty(&e->syncs))
		sync_end(container_of(e->syncs.next, struct engine_sync, link), false,
			 "hotcertd stops");
}

static void mark_polled(struct engine *e)
{
	const struct generation *g = e->generation;

	for (size_t i = 0; g && i < g->config->n_watches; i++)
		if (watch_is_polled(g->watches[i]))
			watch_mark(g->watches[i], false);
}

struct engine_sync *engine_sync(struct engine *e, engine_sync_fn fn, void *owner)
{
	struct engine_sync *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fn = fn;
	s->owner = owner;
	list_push(&e->syncs, &s->link);
	mark_polled(e);
	engine_drain(e);
	engine_changed(e);
	return s;
}

void engine_sync_cancel(struct engine_sync *s)
{
	if (!s)
		return;
	list_remove(&s->link);
	free(s);
}
