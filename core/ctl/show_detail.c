/*
 * ctl/show_detail - everything about one watch or instance: `hotcertctl status NAME`
 */
#include "ctl/show.h"

#include <string.h>

#define KEY_WIDTH 14

struct detail {
	struct str *out;
	const struct style *style;
	int64_t now;
};

static void add_key(const struct detail *d, const char *key)
{
	size_t width = text_width(key);

	str_add(d->out, "  ");
	text_begin(d->out, TONE_DIM, d->style);
	text_add(d->out, key, SIZE_MAX);
	text_end(d->out, TONE_DIM, d->style);
	str_addf(d->out, "%*s", width < KEY_WIDTH ? (int)(KEY_WIDTH - width) : 1, "");
}

/* Long values are wrapped under themselves. */
static void add_line(const struct detail *d, const char *key, const char *value)
{
	struct str text = {0};

	if (!*value)
		return;
	add_key(d, key);
	text_wrap(&text, value, KEY_WIDTH + 2, d->style);
	if (text.len > KEY_WIDTH + 2)
		str_add(d->out, str_get(&text) + KEY_WIDTH + 2);
	else
		str_add(d->out, "\n");
	str_finish(&text);
}

static void add_state(const struct detail *d, const char *state)
{
	add_key(d, "state");
	text_begin(d->out, show_tone(state), d->style);
	str_add(d->out, state);
	text_end(d->out, show_tone(state), d->style);
	str_add(d->out, "\n");
}

static void add_time(const struct detail *d, const char *key, int64_t at)
{
	if (!at)
		return;
	add_key(d, key);
	text_date(d->out, at);
	str_add(d->out, " (");
	text_when(d->out, at, d->now);
	str_add(d->out, ")\n");
}

static void add_title(const struct detail *d, const char *kind, const char *name)
{
	str_add(d->out, d->out->len ? "\n" : "");
	text_begin(d->out, TONE_TITLE, d->style);
	str_addf(d->out, "%s ", kind);
	text_add(d->out, name, SIZE_MAX);
	text_end(d->out, TONE_TITLE, d->style);
	str_add(d->out, "\n");
}

static void add_names(const struct detail *d, const json_t *sans)
{
	struct str names = {0};

	for (size_t i = 0; i < json_array_size(sans); i++)
		str_addf(&names, "%s%s", i ? ", " : "", json_string_value(json_array_get(sans, i)));
	add_line(d, "names", str_get(&names));
	str_finish(&names);
}

static void add_watch(const struct detail *d, const json_t *w)
{
	add_title(d, "watch", show_text(w, "name"));
	add_state(d, show_text(w, "state"));
	add_line(d, "error", show_text(w, "error"));
	add_line(d, "directory", show_text(w, "directory"));
	add_line(d, "polled", show_text(w, "polled"));
	add_line(d, "subject", show_text(w, "subject"));
	add_names(d, json_object_get(w, "sans"));
	add_line(d, "issuer", show_text(w, "issuer"));
	add_line(d, "serial", show_text(w, "serial"));
	add_line(d, "SHA-256", show_text(w, "fingerprint"));
	add_time(d, "valid from", show_int(w, "not_before"));
	add_time(d, "valid until", show_int(w, "not_after"));
	add_time(d, "changed", show_int(w, "changed_at"));
}

static void add_totals(const struct detail *d, const json_t *totals)
{
	add_key(d, "jobs");
	str_addf(d->out, "%lld ok, %lld to be retried, %lld failed\n",
		 (long long)show_int(totals, "ok"), (long long)show_int(totals, "retry"),
		 (long long)show_int(totals, "failed"));
}

static void add_plugin(const struct detail *d, const json_t *i)
{
	add_key(d, "plugin");
	text_add(d->out, show_text(i, "plugin"), SIZE_MAX);
	str_add(d->out, " ");
	text_add(d->out, show_text(i, "plugin_version"), SIZE_MAX);
	if (json_is_true(json_object_get(i, "plugin_stale")))
		str_add(d->out, "; its file has changed, a restart of hotcertd loads it");
	str_add(d->out, "\n");
}

static void add_took(const struct detail *d, int64_t us)
{
	add_key(d, "took");
	if (us < 10000)
		str_addf(d->out, "%lld.%lld ms", (long long)us / 1000, (long long)us % 1000 / 100);
	else
		text_span(d->out, us / 1000);
	str_add(d->out, "\n");
}

/* What the plugin says of itself. */
static void add_details(const struct detail *d, json_t *details)
{
	for (void *at = json_object_iter(details); at; at = json_object_iter_next(details, at))
		add_line(d, json_object_iter_key(at),
			 json_string_value(json_object_iter_value(at)));
}

static void add_instance(const struct detail *d, const json_t *i)
{
	add_title(d, "instance", show_text(i, "name"));
	add_state(d, show_text(i, "state"));
	add_line(d, "result", show_text(i, "message"));
	add_time(d, "next try", show_int(i, "retry_at"));
	add_line(d, "watch", show_text(i, "watch"));
	add_time(d, "last ok", show_int(i, "ok_at"));
	add_time(d, "last job", show_int(i, "ended_at"));
	if (show_int(i, "ended_at"))
		add_took(d, show_int(i, "took_us"));
	add_totals(d, json_object_get(i, "totals"));
	add_plugin(d, i);
	add_details(d, json_object_get(i, "details"));
}

void show_status_of(struct str *out, const json_t *answer, const struct style *style)
{
	const struct detail d = {out, style, show_int(json_object_get(answer, "daemon"), "now")};
	const json_t *watches = json_object_get(answer, "watches");
	const json_t *instances = json_object_get(answer, "instances");

	for (size_t i = 0; i < json_array_size(watches); i++)
		add_watch(&d, json_array_get(watches, i));
	for (size_t i = 0; i < json_array_size(instances); i++)
		add_instance(&d, json_array_get(instances, i));
}
