/*
 * main/metrics - the daemon's state in the Prometheus text format 0.0.4
 */
#include "main/metrics.h"

#include "main/status.h"

#include <inttypes.h>
#include <string.h>

/* ---- the format ---- */

static void family(struct str *out, const char *name, const char *type, const char *help)
{
	str_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Adds name="value": backslash, quote and newline are escaped; what is not UTF-8 is not shown. */
static void label(struct str *out, char before, const char *name, const char *value)
{
	bool valid = str_is_utf8(value, strlen(value));

	str_add_n(out, &before, 1);
	str_add(out, name);
	str_add(out, "=\"");
	for (const char *p = valid ? value : "?"; *p; p++) {
		size_t plain = strcspn(p, "\n\"\\");

		str_add_n(out, p, plain);
		p += plain;
		if (!*p)
			break;
		str_add(out, *p == '\n' ? "\\n" : *p == '"' ? "\\\"" : "\\\\");
	}
	str_add(out, "\"");
}

static void value_int(struct str *out, int64_t value)
{
	str_addf(out, " %" PRId64 "\n", value);
}

/* Thousandths or millionths as a decimal fraction, exact. */
static void value_ms(struct str *out, int64_t ms)
{
	str_addf(out, " %s%" PRIu64 ".%03" PRIu64 "\n", ms < 0 ? "-" : "",
		 (uint64_t)(ms < 0 ? -ms : ms) / 1000, (uint64_t)(ms < 0 ? -ms : ms) % 1000);
}

static void value_us(struct str *out, int64_t us)
{
	str_addf(out, " %" PRId64 ".%06" PRId64 "\n", us / 1000000, us % 1000000);
}

/* A family of one value without labels. */
static void single(struct str *out, const char *name, const char *type, const char *help,
		   int64_t value)
{
	family(out, name, type, help);
	str_add(out, name);
	value_int(out, value);
}

/* ---- the daemon ---- */

static void add_reloads(struct str *out, const struct engine *e)
{
	family(out, "hotcert_reloads_total", "counter", "Reloads of the configuration by result.");
	str_add(out, "hotcert_reloads_total{result=\"success\"}");
	value_int(out, (int64_t)e->totals.reloads_ok);
	str_add(out, "hotcert_reloads_total{result=\"failure\"}");
	value_int(out, (int64_t)e->totals.reloads_failed);
	single(out, "hotcert_config_last_reload_successful", "gauge",
	       "1 where the configuration on disk, as last read, is the one that runs.",
	       e->reload_error == NULL);
	family(out, "hotcert_config_loaded_timestamp_seconds", "gauge",
	       "When the configuration that runs was read.");
	str_add(out, "hotcert_config_loaded_timestamp_seconds");
	value_ms(out, e->loaded_at);
}

static void add_daemon(struct str *out, const struct engine *e)
{
	family(out, "hotcert_build_info", "gauge", "The version that runs; always 1.");
	str_add(out, "hotcert_build_info");
	label(out, '{', "version", HC_VERSION);
	str_add(out, "} 1\n");
	family(out, "hotcert_start_time_seconds", "gauge", "When the daemon was started.");
	str_add(out, "hotcert_start_time_seconds");
	value_ms(out, e->started_at);
	single(out, "hotcert_ready", "gauge", "1 once every first job has ended.", e->ready);
	add_reloads(out, e);
	single(out, "hotcert_inotify_watches", "gauge", "Directories watched through inotify.",
	       (int64_t)inotify_watches(e->inotify));
	single(out, "hotcert_inotify_overflows_total", "counter",
	       "Times that the kernel lost events and everything was read anew.",
	       (int64_t)inotify_overflows(e->inotify));
	single(out, "hotcert_snapshots_total", "counter", "Changes seen in all watches.",
	       (int64_t)e->totals.snapshots);
	single(out, "hotcert_rescans_total", "counter", "Rescans of all watches.",
	       (int64_t)e->totals.rescans);
}

/* ---- watches ---- */

static void add_watch_states(struct str *out, const struct generation *g)
{
	family(out, "hotcert_watch_state", "gauge",
	       "The state that a watch is in has the value 1.");
	for (size_t i = 0; i < g->config->n_watches; i++) {
		str_add(out, "hotcert_watch_state");
		label(out, '{', "watch", g->watches[i]->config->name);
		label(out, ',', "state", status_watch_state(g->watches[i]));
		str_add(out, "} 1\n");
	}
	family(out, "hotcert_watch_polled", "gauge",
	       "1 where a watch is read at intervals because inotify cannot tell.");
	for (size_t i = 0; i < g->config->n_watches; i++) {
		str_add(out, "hotcert_watch_polled");
		label(out, '{', "watch", g->watches[i]->config->name);
		str_add(out, "}");
		value_int(out, *watch_poll_reason(g->watches[i]) != '\0');
	}
	family(out, "hotcert_watch_changed_timestamp_seconds", "gauge",
	       "When the files of a watch last changed.");
	for (size_t i = 0; i < g->config->n_watches; i++) {
		if (!g->watches[i]->changed_at)
			continue;
		str_add(out, "hotcert_watch_changed_timestamp_seconds");
		label(out, '{', "watch", g->watches[i]->config->name);
		str_add(out, "}");
		value_ms(out, g->watches[i]->changed_at);
	}
}

/* The leaf where the watch has roles, else each file's first certificate. */
static void add_validity_of(struct str *out, const char *name, const struct watch *w, bool after)
{
	bool roles = w->config->n_match == 0;

	for (uint32_t i = 0; w->snapshot && i < w->snapshot->pub.n_files; i++) {
		const struct hc_file *file = hc_snapshot_file(&w->snapshot->pub, i);
		const struct hc_cert *cert = file->n_certs ? hc_file_cert(file, 0) : NULL;

		if (!cert || (roles && strcmp(file->role, "cert") != 0))
			continue;
		str_add(out, name);
		label(out, '{', "watch", w->config->name);
		label(out, ',', "path", file->path);
		label(out, ',', "subject", cert->subject);
		str_add(out, "}");
		value_int(out, (after ? cert->not_after : cert->not_before) / 1000);
	}
}

static void add_validity(struct str *out, const struct generation *g)
{
	family(out, "hotcert_certificate_not_after_seconds", "gauge",
	       "When a certificate expires.");
	for (size_t i = 0; i < g->config->n_watches; i++)
		add_validity_of(out, "hotcert_certificate_not_after_seconds", g->watches[i], true);
	family(out, "hotcert_certificate_not_before_seconds", "gauge",
	       "When a certificate becomes valid.");
	for (size_t i = 0; i < g->config->n_watches; i++)
		add_validity_of(out, "hotcert_certificate_not_before_seconds", g->watches[i],
				false);
}

/* ---- instances ---- */

static void add_states(struct str *out, const struct generation *g)
{
	family(out, "hotcert_instance_state", "gauge",
	       "The state that an instance is in has the value 1.");
	for (size_t i = 0; i < g->config->n_instances; i++) {
		const struct runner *r = g->runners[i];

		str_add(out, "hotcert_instance_state");
		label(out, '{', "instance", r->config->full);
		label(out, ',', "plugin", r->config->plugin);
		label(out, ',', "watch", r->config->watch);
		label(out, ',', "state", runner_state_name(r->state));
		str_add(out, "} 1\n");
	}
}

static void job_count(struct str *out, const struct runner *r, const char *result, uint64_t n)
{
	str_add(out, "hotcert_jobs_total");
	label(out, '{', "instance", r->config->full);
	label(out, ',', "result", result);
	str_add(out, "}");
	value_int(out, (int64_t)n);
}

static void add_job_counts(struct str *out, const struct generation *g)
{
	family(out, "hotcert_jobs_total", "counter", "Jobs that have ended, by result.");
	for (size_t i = 0; i < g->config->n_instances; i++) {
		job_count(out, g->runners[i], "ok", g->runners[i]->totals.ok);
		job_count(out, g->runners[i], "retry", g->runners[i]->totals.retry);
		job_count(out, g->runners[i], "failed", g->runners[i]->totals.failed);
	}
}

static void of_instance(struct str *out, const char *name, const struct runner *r)
{
	str_add(out, name);
	label(out, '{', "instance", r->config->full);
	str_add(out, "}");
}

static void add_jobs(struct str *out, const struct generation *g)
{
	static const char *const success = "hotcert_job_last_success_timestamp_seconds";
	static const char *const duration = "hotcert_job_last_duration_seconds";
	static const char *const attempts = "hotcert_job_attempts";

	family(out, success, "gauge", "When an instance's target last agreed with its watch.");
	for (size_t i = 0; i < g->config->n_instances; i++)
		if (g->runners[i]->ok_at) {
			of_instance(out, success, g->runners[i]);
			value_ms(out, g->runners[i]->ok_at);
		}
	family(out, duration, "gauge", "How long an instance's last job took.");
	for (size_t i = 0; i < g->config->n_instances; i++)
		if (g->runners[i]->ended_at) {
			of_instance(out, duration, g->runners[i]);
			value_us(out, g->runners[i]->took_us);
		}
	family(out, attempts, "gauge", "Tries that have failed since the last success.");
	for (size_t i = 0; i < g->config->n_instances; i++) {
		of_instance(out, attempts, g->runners[i]);
		value_int(out, g->runners[i]->attempts);
	}
}

void metrics_write(struct str *out, const struct engine *e)
{
	add_daemon(out, e);
	add_watch_states(out, e->generation);
	add_validity(out, e->generation);
	add_states(out, e->generation);
	add_job_counts(out, e->generation);
	add_jobs(out, e->generation);
}
