/*
 * main/command_wait - sync and wait-expiry: answered when something has come true
 */
#include "base/mem.h"
#include "main/command.h"
#include "main/service.h"
#include "main/status.h"

#include <string.h>

/* ---- sync ---- */

struct sync_wait {
	struct client_wait wait;
	struct client *client;
	struct engine_sync *sync;
};

static void sync_cancel(struct client_wait *wait)
{
	struct sync_wait *s = container_of(wait, struct sync_wait, wait);

	engine_sync_cancel(s->sync);
	free(s);
}

static void sync_late(struct client_wait *wait, char *why, size_t why_size)
{
	struct sync_wait *s = container_of(wait, struct sync_wait, wait);

	if (engine_all_ok(command_engine(s->client), why, why_size))
		snprintf(why, why_size, "files keep changing, or a pair is not whole yet");
}

static void sync_done(void *owner, bool all_ok, const char *why)
{
	struct sync_wait *s = owner;
	struct client *client = s->client;
	struct answer a = {0};

	free(s);
	if (all_ok)
		answer_begin(&a, true);
	else
		answer_error(&a, why);
	answer_int(&a, "instances",
		   (int64_t)command_engine(client)->generation->config->n_instances);
	client_answer(client, &a);
}

void command_sync(struct client *client, const struct request *request)
{
	struct sync_wait *s = calloc(1, sizeof(*s));

	if (!s) {
		client_fail(client, "out of memory");
		return;
	}
	s->wait = (struct client_wait){.cancel = sync_cancel, .late = sync_late};
	s->client = client;
	s->sync = engine_sync(command_engine(client), sync_done, s);
	if (s->sync) {
		client_wait(client, &s->wait, request->timeout_ms);
	} else {
		free(s);
		client_fail(client, "out of memory");
	}
}

/* ---- wait-expiry ---- */

struct expiry_wait {
	struct client_wait wait;
	struct client *client;
	char *name; /* of one watch; NULL: any */
	int64_t within_ms;
	struct loop_alarm *alarm;
};

/* The watch, by name or among all, whose certificate expires first; *ret_at is INT64_MAX where none
 * has one. NULL: there is no such watch. */
static const struct watch *first_to_expire(const struct engine *e, const char *name,
					   int64_t *ret_at)
{
	const struct generation *g = e->generation;
	const struct watch *first = NULL;

	*ret_at = INT64_MAX;
	for (size_t i = 0; i < g->config->n_watches; i++) {
		const struct watch *w = g->watches[i];
		int64_t at = w->snapshot ? snapshot_not_after(w->snapshot) : INT64_MAX;

		if (name && strcmp(w->config->name, name) != 0)
			continue;
		if (first && at >= *ret_at)
			continue;
		first = w;
		*ret_at = at;
	}
	return first;
}

static void expiry_free(struct expiry_wait *x)
{
	loop_alarm_remove(x->alarm);
	free(x->name);
	free(x);
}

static void expiry_cancel(struct client_wait *wait)
{
	expiry_free(container_of(wait, struct expiry_wait, wait));
}

static void expiry_late(struct client_wait *wait, char *why, size_t why_size)
{
	(void)wait;
	snprintf(why, why_size, "no certificate is that close to its expiry");
}

static void expiry_answer(struct expiry_wait *x, const struct watch *w, int64_t at)
{
	const struct hc_cert *leaf = status_leaf(w->snapshot);
	struct client *client = x->client;
	struct answer a = {0};

	answer_begin(&a, true);
	answer_text(&a, "watch", w->config->name);
	answer_text(&a, "directory", w->config->directory);
	answer_text(&a, "subject", leaf ? leaf->subject : NULL);
	answer_text(&a, "serial", leaf ? leaf->serial : NULL);
	answer_time(&a, "not_after", at);
	expiry_free(x);
	client_answer(client, &a);
}

/* Answers, or winds up the alarm anew: a certificate may have come or been renewed. */
static void expiry_look(struct expiry_wait *x)
{
	int64_t at;
	const struct watch *w = first_to_expire(command_engine(x->client), x->name, &at);
	struct client *client = x->client;

	if (!w && x->name) {
		expiry_free(x);
		client_fail(client, "the watch is no longer configured");
	} else if (!w || at == INT64_MAX) {
		loop_alarm_set(x->alarm, INT64_MAX);
	} else if (at - x->within_ms <= loop_now_wall()) {
		expiry_answer(x, w, at);
	} else {
		loop_alarm_set(x->alarm, at - x->within_ms);
	}
}

static void expiry_alarm(void *data)
{
	expiry_look(data);
}

static void expiry_updated(struct client_wait *wait)
{
	expiry_look(container_of(wait, struct expiry_wait, wait));
}

static struct expiry_wait *expiry_create(struct client *client, const struct request *request)
{
	struct expiry_wait *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->wait = (struct client_wait){
		.cancel = expiry_cancel, .late = expiry_late, .updated = expiry_updated};
	x->client = client;
	x->within_ms = request->within_ms;
	x->name = request->args[0] ? strdup(request->args[0]) : NULL;
	x->alarm = loop_alarm_add(client_service(client)->loop, INT64_MAX, expiry_alarm, x);
	if (x->alarm && (x->name || !request->args[0]))
		return x;
	expiry_free(x);
	return NULL;
}

void command_wait_expiry(struct client *client, const struct request *request)
{
	const char *name = request->args[0];
	struct engine *e = command_engine(client);
	struct expiry_wait *x;

	if (name && !engine_watch(e, name)) {
		client_fail(client, "no watch is called \"%s\"; `hotcertctl status` lists them",
			    name);
		return;
	}
	x = expiry_create(client, request);
	if (!x) {
		client_fail(client, "out of memory");
		return;
	}
	client_wait(client, &x->wait, request->timeout_ms);
	expiry_look(x);
}
