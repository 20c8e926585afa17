/*
 * main/answer - one line of JSON, written member by member
 */
#include "main/answer.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

void answer_finish(struct answer *a)
{
	str_finish(&a->text);
	*a = (struct answer){0};
}

/* The length of the well-formed UTF-8 sequence at p, or 0. */
static size_t sequence(const char *p)
{
	for (size_t n = 1; n <= 4 && (n == 1 || p[n - 1]); n++)
		if (str_is_utf8(p, n))
			return n;
	return 0;
}

static void quote_one(struct str *s, const char *p, size_t n)
{
	unsigned char c = (unsigned char)*p;

	if (!n)
		str_add(s, "\xef\xbf\xbd");
	else if (c == '"' || c == '\\')
		str_addf(s, "\\%c", c);
	else if (c == '\n')
		str_add(s, "\\n");
	else if (c < ' ' || c == 0x7f)
		str_addf(s, "\\u%04x", c);
	else
		str_add_n(s, p, n);
}

void answer_quote(struct str *s, const char *text)
{
	str_add(s, "\"");
	while (*text) {
		size_t plain = 0, n;

		while (text[plain] >= ' ' && text[plain] < 0x7f && !strchr("\"\\", text[plain]))
			plain++;
		str_add_n(s, text, plain);
		text += plain;
		if (!*text)
			break;
		n = sequence(text);
		quote_one(s, text, n);
		text += n ? n : 1;
	}
	str_add(s, "\"");
}

static void key_add(struct answer *a, const char *key)
{
	if (a->more)
		str_add(&a->text, ",");
	a->more = true;
	if (!key)
		return;
	answer_quote(&a->text, key);
	str_add(&a->text, ":");
}

static void open_with(struct answer *a, const char *key, char opener, char closer)
{
	assert(a->depth < ANSWER_DEPTH_MAX);
	key_add(a, key);
	str_add_n(&a->text, &opener, 1);
	a->closers[a->depth++] = closer;
	a->more = false;
}

void answer_object(struct answer *a, const char *key)
{
	open_with(a, key, '{', '}');
}

void answer_array(struct answer *a, const char *key)
{
	open_with(a, key, '[', ']');
}

void answer_close(struct answer *a)
{
	assert(a->depth);
	str_add_n(&a->text, &a->closers[--a->depth], 1);
	a->more = true;
}

void answer_begin(struct answer *a, bool ok)
{
	answer_object(a, NULL);
	answer_bool(a, "ok", ok);
}

void answer_error(struct answer *a, const char *error)
{
	answer_begin(a, false);
	answer_text(a, "error", error);
}

void answer_end(struct answer *a)
{
	while (a->depth)
		answer_close(a);
	str_add(&a->text, "\n");
}

void answer_text(struct answer *a, const char *key, const char *value)
{
	key_add(a, key);
	if (value)
		answer_quote(&a->text, value);
	else
		str_add(&a->text, "null");
}

void answer_int(struct answer *a, const char *key, int64_t value)
{
	key_add(a, key);
	str_addf(&a->text, "%" PRId64, value);
}

void answer_bool(struct answer *a, const char *key, bool value)
{
	key_add(a, key);
	str_add(&a->text, value ? "true" : "false");
}

void answer_time(struct answer *a, const char *key, int64_t ms)
{
	if (ms == 0 || ms == INT64_MAX)
		answer_text(a, key, NULL);
	else
		answer_int(a, key, ms);
}

void answer_errors(struct answer *a, const char *key, const struct errors *errors)
{
	answer_array(a, key);
	for (size_t i = 0; i < errors->n; i++)
		answer_text(a, NULL, errors->text[i]);
	answer_close(a);
}
