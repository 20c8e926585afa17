#include "engine/action.h"

#include "base/mem.h"
#include "engine/engine.h"

#include <string.h>

struct runner_action {
	struct list link; /* runner.actions */
	struct runner *runner;
	bool begun;
	runner_action_fn fn; /* NULL: nobody waits any more */
	void *owner;
	char *name;
	char **argv;
	uint32_t argc;
};

static void action_free(struct runner_action *a)
{
	if (!a)
		return;
	for (uint32_t i = 0; a->argv && i < a->argc; i++)
		free(a->argv[i]);
	free(a->argv);
	free(a->name);
	free(a);
}

static int action_copy(struct runner_action *a, const char *name, uint32_t argc,
		       const char *const *argv)
{
	a->name = strdup(name);
	a->argv = calloc((size_t)argc + 1, sizeof(char *));
	if (!a->name || !a->argv)
		return -1;
	for (a->argc = 0; a->argc < argc; a->argc++) {
		a->argv[a->argc] = strdup(argv[a->argc]);
		if (!a->argv[a->argc])
			return -1;
	}
	return 0;
}

struct runner_action *runner_act(struct runner *r, const char *name, uint32_t argc,
				 const char *const *argv, runner_action_fn fn, void *owner)
{
	struct runner_action *a = calloc(1, sizeof(*a));

	if (!a || action_copy(a, name, argc, argv) < 0) {
		action_free(a);
		return NULL;
	}
	a->runner = r;
	a->fn = fn;
	a->owner = owner;
	list_push(&r->actions, &a->link);
	runner_action_wanted(r);
	return a;
}

void runner_action_cancel(struct runner_action *a)
{
	a->fn = NULL;
	if (a->begun)
		return;
	list_remove(&a->link);
	action_free(a);
}

static void action_end(struct runner_action *a, int32_t status, const char *text)
{
	list_remove(&a->link);
	if (a->fn)
		a->fn(a->owner, status, text);
	action_free(a);
}

static struct runner_action *action_first(const struct runner *r)
{
	return list_empty(&r->actions) ? NULL
				       : container_of(r->actions.next, struct runner_action, link);
}

static void action_done(void *owner, const struct job_result *result)
{
	struct runner *r = owner;

	action_end(action_first(r), result->status == HC_SAME ? HC_OK : result->status,
		   result->text);
	runner_action_ended(r);
}

bool actions_start(struct runner *r)
{
	struct runner_action *a = action_first(r);

	if (!a)
		return false;
	a->begun = true;
	runner_action_begun(r);
	r->job = job_action(r->instance, a->name, a->argc, (const char *const *)a->argv,
			    instance_timeout(r->instance, r->config), action_done, r);
	if (!r->job) {
		action_end(a, HC_FAILED, "out of memory");
		runner_action_ended(r);
	}
	return true;
}

void actions_drop(struct runner *r)
{
	struct runner_action *a;

	while ((a = action_first(r)))
		action_end(a, HC_FAILED, "the instance was dropped while the action waited");
}
