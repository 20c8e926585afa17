/*
 * ctl/show - answers of hotcertd as a person wants to read them
 */
#include "ctl/show.h"

#include <string.h>
#include <time.h>

const char *show_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

int64_t show_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool show_has(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value && !json_is_null(value);
}

enum tone show_tone(const char *state)
{
	static const char *const bad[] = {"failed", "refused", "broken", "expired"};
	static const char *const warn[] = {"retry", "missing", "waiting", "unread"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(state, bad[i]) == 0)
			return TONE_BAD;
	for (size_t i = 0; i < sizeof(warn) / sizeof(warn[0]); i++)
		if (strcmp(state, warn[i]) == 0)
			return TONE_WARN;
	return TONE_GOOD;
}

void show_subject(struct str *out, const json_t *watch)
{
	const char *subject = show_text(watch, "subject");
	const char *cn = strstr(subject, "CN=");
	const char *san = json_string_value(json_array_get(json_object_get(watch, "sans"), 0));

	if (cn && (cn == subject || cn[-1] == ',') && cn[3])
		str_add_n(out, cn + 3, strcspn(cn + 3, ",\\"));
	else if (san && strchr(san, ':'))
		str_add(out, strchr(san, ':') + 1);
	else
		str_add(out, subject);
}

void show_reload(struct str *out, const json_t *answer, const struct style *style)
{
	(void)answer;
	(void)style;
	str_add(out, "The configuration has been reloaded.\n");
}

void show_sync(struct str *out, const json_t *answer, const struct style *style)
{
	int64_t n = show_int(answer, "instances");

	(void)style;
	str_addf(out, "In sync: %lld instance%s ok.\n", (long long)n, n == 1 ? "" : "s");
}

void show_results(struct str *out, const json_t *answer, const struct style *style)
{
	const json_t *results = json_object_get(answer, "results");

	for (size_t i = 0; i < json_array_size(results); i++) {
		const json_t *one = json_array_get(results, i);
		const char *status = show_text(one, "status");
		bool ok = strcmp(status, "ok") == 0;

		if (json_array_size(results) > 1 || !ok) {
			text_begin(out, ok ? TONE_GOOD : TONE_BAD, style);
			text_add(out, show_text(one, "instance"), SIZE_MAX);
			text_end(out, ok ? TONE_GOOD : TONE_BAD, style);
			str_addf(out, ": %s%s", ok ? "" : status, ok ? "" : ": ");
		}
		text_add_lines(out, show_text(one, "text"));
		str_add(out, "\n");
	}
}

void show_retry(struct str *out, const json_t *answer, const struct style *style)
{
	const json_t *names = json_object_get(answer, "instances");

	(void)style;
	if (!json_array_size(names))
		str_add(out, "Nothing to try again: no instance has failed.\n");
	for (size_t i = 0; i < json_array_size(names); i++) {
		text_add(out, json_string_value(json_array_get(names, i)), SIZE_MAX);
		str_add(out, " is tried again now; `hotcertctl sync` waits for the result.\n");
	}
}

void show_metrics(struct str *out, const json_t *answer, const struct style *style)
{
	(void)style;
	text_add_lines(out, show_text(answer, "text"));
}

void show_expiry(struct str *out, const json_t *answer, const struct style *style)
{
	int64_t not_after = show_int(answer, "not_after");
	struct timespec now;

	(void)style;
	clock_gettime(CLOCK_REALTIME, &now);
	text_add(out, show_text(answer, "watch"), SIZE_MAX);
	str_add(out, ": ");
	show_subject(out, answer);
	if (not_after > now.tv_sec * 1000)
		str_add(out, " expires ");
	else
		str_add(out, " has expired ");
	text_when(out, not_after, now.tv_sec * 1000 + now.tv_nsec / 1000000);
	str_add(out, " (");
	text_date(out, not_after);
	str_add(out, ")\n");
}

void show_version(struct str *out, const json_t *answer, const struct style *style)
{
	(void)style;
	str_addf(out, "hotcertctl %s\nhotcertd   %s (plugin interface %lld.%lld, process %lld)\n",
		 HC_VERSION, show_text(answer, "version"), (long long)show_int(answer, "abi_major"),
		 (long long)show_int(answer, "abi_minor"), (long long)show_int(answer, "pid"));
}

/* ---- errors ---- */

static void add_list(struct str *out, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		str_add(out, "  ");
		text_add(out, json_string_value(json_array_get(list, i)), SIZE_MAX);
		str_add(out, "\n");
	}
}

static void add_actions(struct str *out, const json_t *actions)
{
	if (json_is_array(actions))
		str_add(out, json_array_size(actions) ? "Its actions:\n" : "It has none.\n");
	for (size_t i = 0; i < json_array_size(actions); i++) {
		const json_t *one = json_array_get(actions, i);
		struct str call = {0};

		str_addf(&call, "%s %s", show_text(one, "name"), show_text(one, "args"));
		str_add(out, "  ");
		text_add(out, str_get(&call), SIZE_MAX);
		str_addf(out, "%*s",
			 text_width(str_get(&call)) < 24 ? (int)(24 - text_width(str_get(&call)))
							 : 1,
			 "");
		text_add(out, show_text(one, "help"), SIZE_MAX);
		str_add(out, "\n");
		str_finish(&call);
	}
}

void show_error(struct str *out, const json_t *answer)
{
	static const struct style plain = {0};
	const json_t *results = json_object_get(answer, "results");

	if (json_array_size(results) > 1)
		show_results(out, answer, &plain);
	str_add(out, "hotcertctl: ");
	text_add_lines(out, show_text(answer, "error"));
	str_add(out, "\n");
	add_list(out, json_object_get(answer, "errors"));
	add_actions(out, json_object_get(answer, "actions"));
}
