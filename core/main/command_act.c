/*
 * main/command_act - renew and do: an action of one or several instances, answered when all ended
 */
#include "base/mem.h"
#include "main/command.h"
#include "main/select.h"

#include <string.h>

struct act;

/* One instance's share. */
struct act_item {
	struct act *act;
	char *instance;
	struct runner_action *pending; /* NULL: ended */
	bool ended;
	int32_t status;
	char *text;
};

struct act {
	struct client_wait wait;
	struct client *client;
	char *action;
	struct act_item *items;
	size_t n_items;
	size_t n_pending; /* one more while act_begin() is called */
};

static struct act *act_of(struct client_wait *wait)
{
	return container_of(wait, struct act, wait);
}

static void act_free(struct act *act)
{
	for (size_t i = 0; act->items && i < act->n_items; i++) {
		free(act->items[i].instance);
		free(act->items[i].text);
	}
	free(act->items);
	free(act->action);
	free(act);
}

static void act_cancel(struct client_wait *wait)
{
	struct act *act = act_of(wait);

	for (size_t i = 0; i < act->n_items; i++)
		if (act->items[i].pending)
			runner_action_cancel(act->items[i].pending);
	act_free(act);
}

static void act_late(struct client_wait *wait, char *why, size_t why_size)
{
	struct act *act = act_of(wait);

	for (size_t i = 0; i < act->n_items; i++)
		if (act->items[i].pending) {
			snprintf(why, why_size, "%s of %s goes on; `hotcertctl status` shows it",
				 act->action, act->items[i].instance);
			return;
		}
}

static const char *status_name(int32_t status)
{
	return status == HC_OK ? "ok" : status == HC_RETRY ? "retry" : "failed";
}

static void write_item(struct answer *a, const struct act *act, const struct act_item *item)
{
	answer_object(a, NULL);
	answer_text(a, "instance", item->instance);
	answer_text(a, "action", act->action);
	answer_text(a, "status", status_name(item->status));
	answer_text(a, "text", item->text ? item->text : "");
	answer_close(a);
}

static void write_error(struct answer *a, const struct act *act, const struct act_item *item)
{
	cleanup_free char *error =
		str_format("%s: %s: %s", item->instance, act->action, item->text ? item->text : "");

	answer_text(a, "error", error);
}

static void act_answer(struct act *act)
{
	struct client *client = act->client;
	const struct act_item *bad = NULL;
	struct answer a = {0};

	for (size_t i = act->n_items; i > 0; i--)
		if (act->items[i - 1].status != HC_OK)
			bad = &act->items[i - 1];
	answer_begin(&a, !bad);
	if (bad)
		write_error(&a, act, bad);
	answer_array(&a, "results");
	for (size_t i = 0; i < act->n_items; i++)
		write_item(&a, act, &act->items[i]);
	act_free(act);
	client_answer(client, &a);
}

static void item_done(void *owner, int32_t status, const char *text)
{
	struct act_item *item = owner;

	item->pending = NULL;
	item->ended = true;
	item->status = status;
	item->text = strdup(text);
	if (--item->act->n_pending == 0)
		act_answer(item->act);
}

static void act_begin(struct act *act, struct runner *r, uint32_t argc, const char *const *argv)
{
	struct act_item *item = &act->items[act->n_items++];
	struct runner_action *pending;

	item->act = act;
	item->instance = strdup(r->config->full);
	act->n_pending++;
	pending = runner_act(r, act->action, argc, argv, item_done, item);
	if (!pending && !item->ended)
		item_done(item, HC_FAILED, "out of memory");
	else if (!item->ended)
		item->pending = pending;
}

static struct act *act_create(struct client *client, const char *action, size_t n)
{
	struct act *act = calloc(1, sizeof(*act));

	if (!act)
		return NULL;
	act->wait = (struct client_wait){.cancel = act_cancel, .late = act_late};
	act->client = client;
	act->n_pending = 1;
	act->action = strdup(action);
	act->items = calloc(n, sizeof(*act->items));
	if (act->action && act->items)
		return act;
	act_free(act);
	return NULL;
}

static void act_wait(struct act *act, int64_t timeout_ms)
{
	if (--act->n_pending)
		client_wait(act->client, &act->wait, timeout_ms);
	else
		act_answer(act);
}

static void add_refusal(struct str *why, const struct runner *r)
{
	str_addf(why, "%s was refused: %s", r->config->full,
		 r->message ? r->message : "see the log");
}

/* ---- renew ---- */

static bool has_action(const struct runner *r, const char *name)
{
	return r->instance && plugin_action_find(r->instance->plugin, name);
}

static void list_renewable(const struct generation *g, struct str *why)
{
	size_t n = 0;

	for (size_t i = 0; i < g->config->n_instances; i++)
		if (has_action(g->runners[i], "renew"))
			str_addf(why, "%s%s", n++ ? ", " : "", g->runners[i]->config->full);
	if (!n)
		str_add(why, "none");
}

/* No instance of that name can renew: says why not. */
static void fail_renew(struct client *client, const struct engine *e, const char *name)
{
	const struct generation *g = e->generation;
	struct str why = {0};
	size_t at = 0;

	while (at < g->config->n_instances && !select_runner(g->runners[at], name))
		at++;
	if (at == g->config->n_instances)
		select_unknown(e, name, false, &why);
	else if (!g->runners[at]->instance)
		add_refusal(&why, g->runners[at]);
	else
		str_addf(&why, "%s cannot renew", g->runners[at]->config->full);
	str_add(&why, "; instances that can renew: ");
	list_renewable(g, &why);
	client_fail(client, "%s", str_get(&why));
	str_finish(&why);
}

void command_renew(struct client *client, const struct request *request)
{
	const struct engine *e = command_engine(client);
	const struct generation *g = e->generation;
	const char *name = request->args[0];
	struct act *act = act_create(client, "renew", g->config->n_instances + 1);

	if (!act) {
		client_fail(client, "out of memory");
		return;
	}
	for (size_t i = 0; i < g->config->n_instances; i++)
		if (select_runner(g->runners[i], name) && has_action(g->runners[i], "renew"))
			act_begin(act, g->runners[i], 0, NULL);
	if (act->n_items) {
		act_wait(act, request->timeout_ms);
	} else {
		act_free(act);
		fail_renew(client, e, name);
	}
}

/* ---- do ---- */

static void fail_action(struct client *client, const struct runner *r, const char *action)
{
	const struct plugin *plugin = r->instance->plugin;
	cleanup_free char *error =
		action ? str_format("%s has no action \"%s\"", r->config->full, action)
		       : str_format("%s: which action?", r->config->full);
	struct answer a = {0};

	answer_error(&a, error);
	answer_array(&a, "actions");
	for (uint32_t i = 0; i < plugin->desc.n_actions; i++) {
		const struct hc_action *known = plugin_action(plugin, i);

		answer_object(&a, NULL);
		answer_text(&a, "name", known->name);
		answer_text(&a, "args", known->args);
		answer_text(&a, "help", known->help);
		answer_close(&a);
	}
	client_answer(client, &a);
}

/* Names the instances of that short name, the first into *ret. Returns how many there are. */
static size_t find_short(const struct generation *g, const char *name, struct runner **ret,
			 struct str *names)
{
	size_t n = 0;

	for (size_t i = 0; i < g->config->n_instances; i++) {
		struct runner *r = g->runners[i];

		if (strcmp(r->config->name, name) != 0)
			continue;
		str_addf(names, "%s%s", n ? ", " : "", r->config->full);
		if (!n++)
			*ret = r;
	}
	return n;
}

/* The one instance of that name, or NULL and why not. */
static struct runner *find_one(const struct engine *e, const char *name, struct str *why)
{
	struct runner *r = engine_runner(e, name);
	struct str names = {0};
	size_t n = r ? 1 : find_short(e->generation, name, &r, &names);

	if (!n)
		select_unknown(e, name, false, why);
	else if (n > 1)
		str_addf(why, "\"%s\" is not one instance; name one of %s", name, str_get(&names));
	else if (!r->instance)
		add_refusal(why, r);
	str_finish(&names);
	return why->len ? NULL : r;
}

void command_do(struct client *client, const struct request *request)
{
	struct str why = {0};
	struct runner *r = find_one(command_engine(client), request->args[0], &why);
	const char *action = request->args[1];
	struct act *act;

	if (!r)
		client_fail(client, "%s", str_get(&why));
	str_finish(&why);
	if (!r)
		return;
	if (!action || !plugin_action_find(r->instance->plugin, action)) {
		fail_action(client, r, action);
		return;
	}
	act = act_create(client, action, 1);
	if (!act) {
		client_fail(client, "out of memory");
		return;
	}
	act_begin(act, r, request->n_args - 2, request->args + 2);
	act_wait(act, request->timeout_ms);
}
