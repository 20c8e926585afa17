/*
 * trust/work - a job: store after store is looked at, planned and changed
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trust/trust.h"

#define UNWANTED "unwanted-%s" /* state: the time in ms since when, by fingerprint */

/* ---- fingerprints and what the state keeps by them --------------------------------------------
 */

int fingerprints_add(struct fingerprints *f, const uint8_t fingerprint[32])
{
	uint8_t(*list)[32] = realloc(f->list, (f->n + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	f->list = list;
	memcpy(list[f->n++], fingerprint, 32);
	return 0;
}

bool fingerprints_has(const struct fingerprints *f, const uint8_t fingerprint[32])
{
	for (size_t i = 0; i < f->n; i++)
		if (memcmp(f->list[i], fingerprint, 32) == 0)
			return true;
	return false;
}

void fingerprints_finish(struct fingerprints *f)
{
	free(f->list);
	*f = (struct fingerprints){0};
}

static const char *unwanted_key(const uint8_t fingerprint[32], char buf[96])
{
	char hex[NAME_HEX + 1];

	name_hex(fingerprint, NAME_HEX / 2, hex);
	snprintf(buf, 96, UNWANTED, hex);
	return buf;
}

/* Since when a root has been unwanted; from now on, where that is new. */
static int64_t unwanted_since(void *data, const uint8_t fingerprint[32])
{
	struct trust *t = data;
	int64_t since;
	char key[96], text[32] = "";
	int64_t n;

	unwanted_key(fingerprint, key);
	n = t->host->state_get(t->ctx, key, text, sizeof(text) - 1);
	if (n > 0 && n < (int64_t)sizeof(text) && sscanf(text, "%" SCNd64, &since) == 1)
		return since;
	snprintf(text, sizeof(text), "%" PRId64, t->now);
	if (t->host->state_set(t->ctx, key, text, strlen(text)) < 0)
		t->host->log(t->ctx, HC_LOG_WARNING,
			     "cannot save since when a root has been unwanted: its overlap begins "
			     "anew after a restart");
	return t->now;
}

static void forget_unwanted(struct trust *t, const uint8_t fingerprint[32])
{
	char key[96];

	unwanted_key(fingerprint, key);
	if (t->host->state_get(t->ctx, key, NULL, 0) != -ENOENT)
		t->host->state_set(t->ctx, key, NULL, 0);
}

/* ---- a job: store after store -------------------------------------------------------------------
 */

static void work_next(struct trust *t);

static void work_finish(struct trust *t)
{
	inventory_finish(&t->inventory);
	fingerprints_finish(&t->gone);
	t->busy = false;
}

static void wind_alarm(struct trust *t)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < t->n_stores; i++)
		if (t->stores[i]->tally.next < next)
			next = t->stores[i]->tally.next;
	t->host->alarm_set(t->alarm, next);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void job_ok(struct trust *t)
{
	size_t roots = t->roots.n, stores = t->n_stores;

	if (t->uninstall && !t->n_removed)
		t->host->job_done(t->job, HC_OK, "nothing is installed: uninstalled by hand");
	else if (t->uninstall)
		t->host->job_done(t->job, HC_OK, "uninstalled: %zu removed from %zu store%s",
				  t->n_removed, stores, plural(stores));
	else if (t->n_installed || t->n_removed)
		t->host->job_done(t->job, HC_OK,
				  "%zu installed, %zu removed: %zu root%s trusted in %zu store%s",
				  t->n_installed, t->n_removed, roots, plural(roots), stores,
				  plural(stores));
	else
		t->host->job_done(t->job, HC_SAME, "%zu root%s trusted already in %zu store%s",
				  roots, plural(roots), stores, plural(stores));
}

static void work_end(struct trust *t)
{
	if (t->status == HC_OK) {
		for (size_t i = 0; i < t->gone.n; i++)
			forget_unwanted(t, t->gone.list[i]);
		job_ok(t);
	} else {
		t->host->job_done(t->job, t->status, "%s", t->text);
	}
	wind_alarm(t);
	work_finish(t);
}

/* Keeps the worst end of all stores, and the first words for it. */
static void work_failed(struct trust *t, int32_t status, const char *why)
{
	const char *spec = t->stores[t->at]->spec;

	if (*t->text)
		t->host->log(t->ctx, HC_LOG_ERROR, "%s: %s", spec, why);
	else
		snprintf(t->text, sizeof(t->text), "%s: %s", spec, why);
	if (status > t->status)
		t->status = status;
}

static void log_change(struct trust *t, const struct entry *entry)
{
	const char *spec = t->stores[t->at]->spec;
	char hex[65];

	name_hex(entry->fingerprint, 32, hex);
	if (entry->todo == TODO_INSTALL) {
		t->n_installed++;
		t->host->log(t->ctx, HC_LOG_NOTICE, "%s: installed %s, fingerprint %s", spec,
			     entry->root->subject, hex);
	} else if (entry->todo == TODO_REMOVE) {
		t->n_removed++;
		fingerprints_add(&t->gone, entry->fingerprint);
		t->host->log(t->ctx, HC_LOG_NOTICE, "%s: removed the root with fingerprint %s",
			     spec, hex);
	}
}

void work_store_changed(void *data, int32_t status, const char *text)
{
	struct trust *t = data;

	assert(t->magic == TRUST_MAGIC && t->busy);
	for (size_t i = 0; status == HC_OK && i < t->inventory.n; i++)
		log_change(t, &t->inventory.list[i]);
	if (status != HC_OK)
		work_failed(t, status, text);
	t->at++;
	work_next(t);
}

/* Looks at the store at hand and marks what is to be done. 0 or a negative errno and why. */
static int work_plan(struct trust *t, char why[STORE_WHY])
{
	static const struct roots none;
	struct store *store = t->stores[t->at];
	struct plan_rules rules = {
		.complete = t->complete,
		.uninstall = t->uninstall,
		.now = t->now = t->host->now_wall(),
		.overlap = t->overlap,
		.unwanted_since = unwanted_since,
		.data = t,
	};
	int r;

	inventory_finish(&t->inventory);
	r = inventory_init(&t->inventory, t->uninstall ? &none : &t->roots);
	if (r < 0)
		snprintf(why, STORE_WHY, "%s", strerror(-r));
	else
		r = store->type->look(store, &t->inventory, why);
	if (r == 0)
		store->tally = plan(&t->inventory, &rules);
	return r;
}

/* Begins what is to be done in the store at hand; false: there is nothing. */
static bool work_change(struct trust *t)
{
	char why[STORE_WHY];
	int r = work_plan(t, why);

	if (r < 0)
		work_failed(t, store_status(r), why);
	if (r < 0 || !inventory_has_work(&t->inventory))
		return false;
	t->stores[t->at]->type->change(t->stores[t->at], &t->inventory);
	return true;
}

/* Goes on with the next store that has something to be done, or ends. */
static void work_next(struct trust *t)
{
	for (; t->at < t->n_stores; t->at++) {
		struct store *store = t->stores[t->at];

		if (store->type->refresh) {
			store->type->refresh(store);
			return;
		}
		if (work_change(t))
			return;
	}
	work_end(t);
}

void work_store_refreshed(void *data, int32_t status, const char *why)
{
	struct trust *t = data;

	assert(t->magic == TRUST_MAGIC && t->busy);
	if (status != HC_OK)
		work_failed(t, status, why);
	else if (work_change(t))
		return;
	t->at++;
	work_next(t);
}

void work_start(struct trust *t, bool uninstall, hc_job job)
{
	t->busy = true;
	t->uninstall = uninstall;
	t->job = job;
	t->at = 0;
	t->n_installed = t->n_removed = 0;
	t->status = HC_OK;
	t->text[0] = '\0';
	for (size_t i = 0; !uninstall && i < t->roots.n; i++)
		forget_unwanted(t, t->roots.list[i].fingerprint);
	work_next(t);
}

void work_cancel(struct trust *t)
{
	struct store *store = t->busy ? t->stores[t->at] : NULL;

	if (store)
		store->type->cancel(store);
	work_finish(t);
}
