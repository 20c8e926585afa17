/*
 * base/str - growing strings and small string helpers
 */
#include "base/str.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer words are not compared: nobody mistypes that much. */
#define NEAREST_MAX 63

/* Makes room for n more bytes and a NUL. */
static bool reserve(struct str *s, size_t n)
{
	size_t need, size;
	char *data;

	if (s->failed || __builtin_add_overflow(s->len, n, &need) || need >= SIZE_MAX / 2) {
		s->failed = true;
		return false;
	}
	if (need < s->size)
		return true;
	size = s->size ? s->size : 64;
	while (size <= need)
		size *= 2;
	data = realloc(s->data, size);
	if (!data) {
		s->failed = true;
		return false;
	}
	s->data = data;
	s->size = size;
	return true;
}

void str_finish(struct str *s)
{
	free(s->data);
	*s = (struct str){0};
}

void str_add_n(struct str *s, const char *data, size_t n)
{
	if (!reserve(s, n))
		return;
	if (n)
		memcpy(s->data + s->len, data, n);
	s->len += n;
	s->data[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_add_n(s, text, strlen(text));
}

void str_addv(struct str *s, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0 || !reserve(s, (size_t)n)) {
		s->failed = true;
		return;
	}
	vsnprintf(s->data + s->len, (size_t)n + 1, format, args);
	s->len += (size_t)n;
}

void str_addf(struct str *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	str_addv(s, format, args);
	va_end(args);
}

void str_clear(struct str *s)
{
	s->len = 0;
	s->failed = false;
	if (s->data)
		s->data[0] = '\0';
}

char *str_take(struct str *s)
{
	char *data;

	str_add_n(s, "", 0); /* "" rather than NULL where nothing was added */
	if (s->failed) {
		str_finish(s);
		return NULL;
	}
	data = s->data;
	*s = (struct str){0};
	return data;
}

const char *str_get(const struct str *s)
{
	return s->data ? s->data : "";
}

char *str_format(const char *format, ...)
{
	struct str s = {0};
	va_list args;

	va_start(args, format);
	str_addv(&s, format, args);
	va_end(args);
	return str_take(&s);
}

void str_hex(char *out, const uint8_t *data, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = '\0';
}

/* The length of the UTF-8 sequence at p (RFC 3629 section 4), or 0. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t first, last;   /* range of the first byte */
		uint8_t second, until; /* range of the second byte */
		size_t length;
	} forms[] = {
		{0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t length = forms[i].length;

		if (*p < forms[i].first || *p > forms[i].last)
			continue;
		if (length > left)
			return 0;
		if (length > 1 && (p[1] < forms[i].second || p[1] > forms[i].until))
			return 0;
		for (size_t k = 2; k < length; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return length;
	}
	return 0;
}

bool str_is_utf8(const char *data, size_t n)
{
	const uint8_t *p = (const uint8_t *)data;
	size_t length;

	for (; n; p += length, n -= length) {
		length = utf8_length(p, n);
		if (!length)
			return false;
	}
	return true;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance without regard to case; two neighbours swapped count as one edit. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][NEAREST_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2], *swap;

	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			int x = tolower((unsigned char)a[i - 1]),
			    y = tolower((unsigned char)b[j - 1]);

			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		swap = before;
		before = last;
		last = row;
		row = swap;
	}
	return last[b_len];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word), best = (len + 1) / 3 + 1;
	const char *nearest = NULL;

	if (!len || len > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t candidate_len = strlen(candidates[i]), d;

		if (candidate_len > NEAREST_MAX)
			continue;
		d = distance(word, len, candidates[i], candidate_len);
		/* "password" for "password_file" */
		if (d >= best && len >= 3 && !nearest && !strncasecmp(word, candidates[i], len))
			d = best - 1;
		if (d < best && d < len) {
			best = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}

bool str_matches(const char *name, char *const *patterns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fnmatch(patterns[i], name, FNM_PERIOD) == 0)
			return true;
	return false;
}
