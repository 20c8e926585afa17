/*
 * ctl/show_status - the whole daemon on a screen: a line for each watch and instance, and under
 * what is wrong the full reason and what happens next
 */
#include "ctl/grid.h"
#include "ctl/show.h"

#include <string.h>

/* What the rows need of the answer's "daemon". */
struct page {
	const struct style *style;
	int64_t now;
};

static bool is(const json_t *object, const char *state)
{
	return strcmp(show_text(object, "state"), state) == 0;
}

/* A cell with a time; "-" where there is none. */
static void cell_when(struct grid *g, enum tone tone, int64_t at, int64_t now)
{
	struct str text = {0};

	if (at)
		text_when(&text, at, now);
	else
		str_add(&text, "-");
	grid_cell(g, tone, str_get(&text));
	str_finish(&text);
}

/* ---- watches ---- */

/* Whoever renews does so well before a tenth of the lifetime is left. */
static enum tone expiry_tone(const json_t *watch, int64_t now)
{
	int64_t before = show_int(watch, "not_before"), after = show_int(watch, "not_after");

	if (!after)
		return TONE_DIM;
	if (after <= now)
		return TONE_BAD;
	return after - now < (after - before) / 10 ? TONE_WARN : TONE_PLAIN;
}

static void cell_certificate(struct grid *g, const json_t *watch)
{
	int64_t n = show_int(watch, "files");
	struct str text = {0};

	show_subject(&text, watch);
	if (!text.len && n && is(watch, "whole"))
		str_addf(&text, "%lld file%s", (long long)n, n == 1 ? "" : "s");
	grid_cell(g, text.len ? TONE_PLAIN : TONE_DIM, text.len ? text.data : "-");
	str_finish(&text);
}

static void note_watch(struct grid *g, const json_t *watch)
{
	const char *error = show_text(watch, "error");

	if (*error)
		grid_note(g, TONE_PLAIN, "%s", error);
	if (is(watch, "missing"))
		grid_note(g, TONE_DIM, "Goes on by itself as soon as the files are there.");
	else if (is(watch, "broken"))
		grid_note(g, TONE_DIM,
			  "Held back: the certificate before stays in use. Goes on by "
			  "itself as soon as the files are right.");
	else if (is(watch, "expired"))
		grid_note(g, TONE_DIM, "Held back from all but what can renew it.");
	if (show_has(watch, "polled"))
		grid_note(g, TONE_DIM, "Read every few seconds instead of being watched: %s",
			  show_text(watch, "polled"));
}

static void add_watch(struct grid *g, const json_t *watch, const struct page *page)
{
	const char *state = show_text(watch, "state");

	grid_row(g);
	grid_cell(g, TONE_PLAIN, show_text(watch, "name"));
	grid_cell(g, show_tone(state), state);
	cell_certificate(g, watch);
	cell_when(g, expiry_tone(watch, page->now), show_int(watch, "not_after"), page->now);
	cell_when(g, TONE_DIM, show_int(watch, "changed_at"), page->now);
	grid_cell(g, TONE_DIM, show_text(watch, "directory"));
	note_watch(g, watch);
}

/* ---- instances ---- */

static void note_retry(struct grid *g, const json_t *instance, const struct page *page)
{
	int64_t attempts = show_int(instance, "attempts"), at = show_int(instance, "retry_at");
	struct str when = {0};

	text_when(&when, at > page->now ? at : page->now, page->now);
	grid_note(g, TONE_DIM,
		  "Tried %lld time%s; the next try comes %s. At once: hotcertctl retry %s",
		  (long long)attempts, attempts == 1 ? "" : "s", str_get(&when),
		  show_text(instance, "name"));
	str_finish(&when);
}

/* The full reason of what is wrong, and what happens next. */
static void note_instance(struct grid *g, const json_t *instance, const struct page *page)
{
	const char *message = show_text(instance, "message");
	bool troubled = is(instance, "retry") || is(instance, "failed") || is(instance, "refused");

	if (troubled && *message)
		grid_note(g, TONE_PLAIN, "%s", message);
	if (is(instance, "retry"))
		note_retry(g, instance, page);
	else if (is(instance, "failed"))
		grid_note(g, TONE_DIM,
			  "Waits for the files to change. At once: hotcertctl retry %s",
			  show_text(instance, "name"));
	else if (is(instance, "refused"))
		grid_note(g, TONE_DIM, "Mend that, then: hotcertctl reload");
	else if (is(instance, "waiting"))
		grid_note(g, TONE_DIM, "Waits for watch %s to be whole.",
			  show_text(instance, "watch"));
	if (json_is_true(json_object_get(instance, "plugin_stale")))
		grid_note(g, TONE_WARN,
			  "The file of plugin %s has changed; a restart of hotcertd loads it.",
			  show_text(instance, "plugin"));
}

static void add_instance(struct grid *g, const json_t *instance, const struct page *page)
{
	const char *state = show_text(instance, "state");
	bool ok = show_tone(state) == TONE_GOOD;

	grid_row(g);
	grid_cell(g, TONE_PLAIN, show_text(instance, "name"));
	grid_cell(g, show_tone(state), state);
	grid_cell(g, TONE_PLAIN, show_text(instance, "watch"));
	cell_when(g, TONE_DIM, show_int(instance, "ok_at"), page->now);
	grid_cell(g, TONE_PLAIN, ok ? show_text(instance, "message") : "");
	note_instance(g, instance, page);
}

/* ---- the page ---- */

static void add_titles(struct grid *g, const char *const *titles)
{
	grid_row(g);
	for (; *titles; titles++)
		grid_cell(g, TONE_DIM, *titles);
}

static size_t count_troubled(const json_t *list)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		n += show_tone(show_text(json_array_get(list, i), "state")) != TONE_GOOD;
	return n;
}

static void add_counts(struct str *out, const json_t *daemon)
{
	int64_t watches = show_int(daemon, "watches"), instances = show_int(daemon, "instances");

	str_addf(out, "%lld watch%s, %lld instance%s", (long long)watches, watches == 1 ? "" : "es",
		 (long long)instances, instances == 1 ? "" : "s");
}

static void add_head(struct str *out, const json_t *answer, const struct style *style)
{
	const json_t *daemon = json_object_get(answer, "daemon");
	size_t n = count_troubled(json_object_get(answer, "watches")) +
		   count_troubled(json_object_get(answer, "instances"));
	enum tone tone = n ? TONE_WARN : TONE_GOOD;

	text_begin(out, TONE_TITLE, style);
	str_addf(out, "hotcertd %s", show_text(daemon, "version"));
	text_end(out, TONE_TITLE, style);
	str_add(out, json_is_true(json_object_get(daemon, "ready")) ? ", up " : ", starting for ");
	text_span(out, show_int(daemon, "uptime_ms"));
	str_add(out, ": ");
	add_counts(out, daemon);
	str_add(out, ", ");
	text_begin(out, tone, style);
	if (n)
		str_addf(out, "%zu not well", n);
	else
		str_add(out, "all well");
	text_end(out, tone, style);
	str_add(out, "\n");
}

static void add_reload_error(struct str *out, const json_t *daemon, const struct style *style)
{
	if (!show_has(daemon, "reload_error"))
		return;
	text_begin(out, TONE_BAD, style);
	str_add(out, "\nThe last reload failed; the configuration from ");
	text_date(out, show_int(daemon, "loaded_at"));
	str_add(out, " runs on:\n");
	text_end(out, TONE_BAD, style);
	text_wrap(out, show_text(daemon, "reload_error"), 4, style);
	text_begin(out, TONE_DIM, style);
	text_wrap(out, "Mend that, then: hotcertctl reload, which lists all errors", 4, style);
	text_end(out, TONE_DIM, style);
}

static void add_grid(struct str *out, const json_t *list, const char *const *titles,
		     void (*add)(struct grid *g, const json_t *one, const struct page *page),
		     const struct page *page)
{
	struct grid g = {0};

	if (!json_array_size(list))
		return;
	add_titles(&g, titles);
	for (size_t i = 0; i < json_array_size(list); i++)
		add(&g, json_array_get(list, i), page);
	str_add(out, "\n");
	grid_print(&g, out, page->style);
	grid_finish(&g);
}

void show_status(struct str *out, const json_t *answer, const struct style *style)
{
	static const char *const watch_titles[] = {"WATCH",   "STATE",	   "CERTIFICATE", "EXPIRES",
						   "CHANGED", "DIRECTORY", NULL};
	static const char *const instance_titles[] = {"INSTANCE", "STATE",  "WATCH",
						      "LAST OK",  "RESULT", NULL};
	const json_t *daemon = json_object_get(answer, "daemon");
	const struct page page = {style, show_int(daemon, "now")};

	add_head(out, answer, style);
	add_reload_error(out, daemon, style);
	add_grid(out, json_object_get(answer, "watches"), watch_titles, add_watch, &page);
	add_grid(out, json_object_get(answer, "instances"), instance_titles, add_instance, &page);
}
