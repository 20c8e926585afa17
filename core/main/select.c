/*
 * main/select - what a person means by a name
 */
#include "main/select.h"

#include "base/mem.h"

#include <string.h>

bool select_runner(const struct runner *r, const char *name)
{
	return !name || strcmp(r->config->full, name) == 0 || strcmp(r->config->name, name) == 0;
}

bool select_runner_for_status(const struct runner *r, const char *name)
{
	return select_runner(r, name) || strcmp(r->config->watch, name) == 0;
}

bool select_watch_for_status(const struct watch *w, const char *name)
{
	struct list *at;

	if (!name || strcmp(w->config->name, name) == 0)
		return true;
	list_for_each (at, &w->runners) {
		if (select_runner(container_of(at, struct runner, watch_link), name))
			return true;
	}
	return false;
}

/* Every name that would have been right; the caller frees the array. */
static const char **all_names(const struct config *c, bool watches, size_t *ret_n)
{
	const char **names = calloc(2 * c->n_instances + c->n_watches + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return NULL;
	for (size_t i = 0; i < c->n_instances; i++) {
		names[n++] = c->instances[i].full;
		names[n++] = c->instances[i].name;
	}
	for (size_t i = 0; watches && i < c->n_watches; i++)
		names[n++] = c->watches[i].name;
	*ret_n = n;
	return names;
}

void select_unknown(const struct engine *e, const char *name, bool watches, struct str *why)
{
	size_t n = 0;
	cleanup_free const char **names = all_names(e->generation->config, watches, &n);
	const char *near = names ? str_nearest(name, names, n) : NULL;

	str_addf(why, "no %sinstance is called \"%s\"", watches ? "watch or " : "", name);
	if (near)
		str_addf(why, "; did you mean \"%s\"?", near);
	else if (n)
		str_add(why, "; `hotcertctl status` lists them");
	else
		str_add(why, "; none is configured");
}
