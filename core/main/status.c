/*
 * main/status - what `hotcertctl status` shows, as JSON
 */
#include "main/status.h"

#include "main/select.h"

#include <string.h>
#include <unistd.h>

const char *status_watch_state(const struct watch *w)
{
	if (!w->snapshot)
		return "unread";
	switch (w->snapshot->pub.state) {
	case HC_STATE_WHOLE:
		return "whole";
	case HC_STATE_MISSING:
		return "missing";
	case HC_STATE_EXPIRED:
		return "expired";
	default:
		return "broken";
	}
}

const struct hc_cert *status_leaf(const struct snapshot *s)
{
	const struct hc_file *file = s ? snapshot_role(s, "cert") : NULL;

	if (!s)
		return NULL;
	for (uint32_t i = 0; !file && i < s->pub.n_files; i++) {
		const struct hc_file *f = hc_snapshot_file(&s->pub, i);

		if (f->n_certs)
			file = f;
	}
	return file && file->n_certs ? hc_file_cert(file, 0) : NULL;
}

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

/* ---- the daemon ---- */

static void write_files(struct answer *a, const struct config *config)
{
	answer_array(a, "files");
	for (size_t i = 0; i < config->n_files; i++)
		answer_text(a, NULL, config->files[i]);
	answer_close(a);
}

static void write_inotify(struct answer *a, const struct engine *e)
{
	answer_object(a, "inotify");
	answer_int(a, "watches", (int64_t)inotify_watches(e->inotify));
	answer_int(a, "overflows", (int64_t)inotify_overflows(e->inotify));
	answer_close(a);
}

static void write_daemon(struct answer *a, const struct engine *e)
{
	const struct config *config = e->generation->config;
	int64_t now = loop_now_wall();

	answer_object(a, "daemon");
	answer_text(a, "version", HC_VERSION);
	answer_int(a, "pid", getpid());
	answer_time(a, "now", now);
	answer_time(a, "started_at", e->started_at);
	answer_int(a, "uptime_ms", now - e->started_at);
	answer_bool(a, "ready", e->ready);
	answer_time(a, "loaded_at", e->loaded_at);
	answer_text(a, "reload_error", e->reload_error);
	write_files(a, config);
	answer_int(a, "watches", (int64_t)config->n_watches);
	answer_int(a, "instances", (int64_t)config->n_instances);
	answer_int(a, "refused", (int64_t)e->generation->n_refused);
	answer_int(a, "running", (int64_t)e->n_running);
	answer_int(a, "reloads_ok", (int64_t)e->totals.reloads_ok);
	answer_int(a, "reloads_failed", (int64_t)e->totals.reloads_failed);
	answer_int(a, "snapshots", (int64_t)e->totals.snapshots);
	answer_int(a, "rescans", (int64_t)e->totals.rescans);
	write_inotify(a, e);
	answer_close(a);
}

/* ---- watches ---- */

static void write_leaf(struct answer *a, const struct hc_cert *leaf)
{
	char fingerprint[65];

	answer_text(a, "subject", leaf ? leaf->subject : NULL);
	answer_array(a, "sans");
	for (uint32_t i = 0; leaf && i < leaf->n_sans; i++)
		answer_text(a, NULL, leaf->sans[i]);
	answer_close(a);
	answer_text(a, "issuer", leaf ? leaf->issuer : NULL);
	answer_text(a, "serial", leaf ? leaf->serial : NULL);
	answer_time(a, "not_before", leaf ? leaf->not_before : 0);
	answer_time(a, "not_after", leaf ? leaf->not_after : 0);
	if (leaf)
		str_hex(fingerprint, leaf->sha256, sizeof(leaf->sha256));
	answer_text(a, "fingerprint", leaf ? fingerprint : NULL);
}

static void write_watch(struct answer *a, const struct watch *w)
{
	answer_object(a, NULL);
	answer_text(a, "name", w->config->name);
	answer_text(a, "directory", w->config->directory);
	answer_text(a, "state", status_watch_state(w));
	answer_text(a, "error", w->snapshot ? or_null(w->snapshot->pub.error) : NULL);
	answer_int(a, "generation", w->snapshot ? (int64_t)w->snapshot->pub.generation : 0);
	answer_int(a, "files", w->snapshot ? (int64_t)w->snapshot->pub.n_files : 0);
	write_leaf(a, status_leaf(w->snapshot));
	answer_text(a, "polled", or_null(watch_poll_reason(w)));
	answer_time(a, "changed_at", w->changed_at);
	answer_close(a);
}

/* ---- instances ---- */

static void write_detail(void *user, const char *key, const char *value)
{
	answer_text(user, key, value);
}

static void write_plugin(struct answer *a, const struct runner *r)
{
	const struct plugin *plugin = r->instance ? r->instance->plugin : NULL;

	answer_text(a, "plugin", r->config->plugin);
	answer_text(a, "plugin_version", plugin ? plugin->desc.version : NULL);
	answer_bool(a, "plugin_stale", plugin && loader_is_stale(plugin));
}

static void write_totals(struct answer *a, const struct runner_totals *totals)
{
	answer_object(a, "totals");
	answer_int(a, "ok", (int64_t)totals->ok);
	answer_int(a, "retry", (int64_t)totals->retry);
	answer_int(a, "failed", (int64_t)totals->failed);
	answer_close(a);
}

static void write_instance(struct answer *a, const struct runner *r)
{
	answer_object(a, NULL);
	answer_text(a, "name", r->config->full);
	write_plugin(a, r);
	answer_text(a, "watch", r->config->watch);
	answer_text(a, "state", runner_state_name(r->state));
	answer_text(a, "message", or_null(r->message));
	answer_int(a, "attempts", r->attempts);
	answer_time(a, "retry_at", r->retry_at);
	answer_time(a, "ok_at", r->ok_at);
	answer_time(a, "ended_at", r->ended_at);
	answer_int(a, "took_us", r->took_us);
	answer_int(a, "generation", (int64_t)r->generation);
	write_totals(a, &r->totals);
	answer_object(a, "details");
	if (r->instance)
		instance_status(r->instance, write_detail, a);
	answer_close(a);
	answer_close(a);
}

size_t status_write(struct answer *a, const struct engine *e, const char *name)
{
	const struct generation *g = e->generation;
	size_t n = 0;

	write_daemon(a, e);
	answer_array(a, "watches");
	for (size_t i = 0; i < g->config->n_watches; i++)
		if (select_watch_for_status(g->watches[i], name)) {
			write_watch(a, g->watches[i]);
			n++;
		}
	answer_close(a);
	answer_array(a, "instances");
	for (size_t i = 0; i < g->config->n_instances; i++)
		if (select_runner_for_status(g->runners[i], name)) {
			write_instance(a, g->runners[i]);
			n++;
		}
	answer_close(a);
	return n;
}

/* ---- STATUS= ---- */

/* The manager refuses what is not UTF-8, and a newline would begin another assignment. */
static void clean_line(struct str *line, size_t max)
{
	while (line->len > max || !str_is_utf8(line->data, line->len))
		line->data[--line->len] = '\0';
	for (char *p = line->data; p && *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

void status_line(const struct engine *e, struct str *line)
{
	const struct generation *g = e->generation;
	char why[512] = "";
	size_t n_bad = 0;

	str_clear(line);
	if (e->reload_error)
		str_addf(line, "reload failed: %s; ", e->reload_error);
	for (size_t i = 0; i < g->config->n_instances; i++)
		n_bad += g->runners[i]->state != RUNNER_OK;
	if (n_bad)
		(void)engine_all_ok(e, why, sizeof(why));
	str_addf(line, "%zu watch%s, %zu instance%s", g->config->n_watches,
		 g->config->n_watches == 1 ? "" : "es", g->config->n_instances,
		 g->config->n_instances == 1 ? "" : "s");
	if (n_bad)
		str_addf(line, ", %zu not ok: %s", n_bad, why);
	else
		str_add(line, ", all ok");
	clean_line(line, 400);
}
