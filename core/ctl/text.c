/*
 * ctl/text - text for a person's terminal
 */
#include "ctl/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 100
#define COLUMNS_MIN 40

struct style text_style(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	struct style style = {.columns = SIZE_MAX}; /* a file or a pipe: for grep(1), not wrapped */
	struct winsize size;

	style.terminal = isatty(STDOUT_FILENO);
	style.colour =
		style.terminal && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
	if (style.terminal)
		style.columns = COLUMNS_DEFAULT;
	if (style.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		style.columns = size.ws_col < COLUMNS_MIN ? COLUMNS_MIN : size.ws_col;
	return style;
}

/* ---- characters ---- */

/* The well-formed UTF-8 sequence at p: its length and code point; 0 where it is none. */
static size_t decode(const char *p, uint32_t *ret)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t n = *u < 0x80 ? 1 : *u < 0xe0 ? 2 : *u < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? *u : *u & (0x7fu >> n);

	if (strnlen(p, n) < n || !str_is_utf8(p, n))
		return 0;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (u[i] & 0x3f);
	*ret = c;
	return n;
}

/* Columns of a code point: the ranges of UAX #11 that terminals agree on. */
static size_t width_of(uint32_t c)
{
	static const struct {
		uint32_t first, last;
		size_t width;
	} ranges[] = {
		{0x0300, 0x036f, 0},   {0x1100, 0x115f, 2},   {0x200b, 0x200f, 0},
		{0x2e80, 0xa4cf, 2},   {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},
		{0xfe00, 0xfe0f, 0},   {0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2},
		{0xffe0, 0xffe6, 2},   {0x1f300, 0x1f64f, 2}, {0x1f900, 0x1f9ff, 2},
		{0x20000, 0x3fffd, 2},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return ranges[i].width;
	return 1;
}

/* Invisible, or able to reorder what stands around it (CVE-2021-42574). */
static bool is_control(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c <= 0x9f) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

/* One character as it is shown. */
struct glyph {
	char text[16];
	size_t bytes; /* of the source */
	size_t width;
};

static struct glyph glyph_at(const char *p)
{
	struct glyph g = {.bytes = 1, .width = 1};
	uint32_t c = 0;
	size_t n = decode(p, &c);

	if (!n) {
		strcpy(g.text, "\xef\xbf\xbd");
	} else if (c == '\n') {
		strcpy(g.text, " ");
	} else if (is_control(c)) {
		g.bytes = n;
		g.width = (size_t)snprintf(g.text, sizeof(g.text), "\\x%02" PRIx32, c);
	} else {
		g.bytes = n;
		g.width = width_of(c);
		memcpy(g.text, p, n);
	}
	return g;
}

size_t text_width(const char *text)
{
	size_t width = 0;

	while (*text) {
		struct glyph g = glyph_at(text);

		width += g.width;
		text += g.bytes;
	}
	return width;
}

void text_add(struct str *out, const char *text, size_t columns)
{
	bool cut = text_width(text) > columns;
	size_t room = cut && columns ? columns - 1 : columns;

	while (*text) {
		struct glyph g = glyph_at(text);

		if (cut && g.width > room)
			break;
		room -= cut ? g.width : 0;
		str_add(out, g.text);
		text += g.bytes;
	}
	if (cut && columns)
		str_add(out, "\xe2\x80\xa6");
}

void text_add_lines(struct str *out, const char *text)
{
	while (*text) {
		struct glyph g = glyph_at(text);

		str_add(out, *text == '\n' || *text == '\t' ? (char[]){*text, '\0'} : g.text);
		text += g.bytes;
	}
}

/* ---- wrapping ---- */

void text_wrap(struct str *out, const char *text, size_t indent, const struct style *style)
{
	size_t room = style->columns > indent + 20 ? style->columns - indent : 20;
	size_t used = 0;

	while (*(text += strspn(text, " \n"))) {
		struct str word = {0};
		size_t n = strcspn(text, " \n"), width;

		str_add_n(&word, text, n);
		width = text_width(str_get(&word));
		if (used && used + 1 + width > room) {
			str_add(out, "\n");
			used = 0;
		}
		if (used)
			str_add(out, " ");
		else
			str_addf(out, "%*s", (int)indent, "");
		text_add(out, str_get(&word), SIZE_MAX);
		used += width + (used ? 1 : 0);
		str_finish(&word);
		text += n;
	}
	if (used)
		str_add(out, "\n");
}

/* ---- colours ---- */

static const char *const tone_codes[] = {
	[TONE_GOOD] = "32", [TONE_WARN] = "33", [TONE_BAD] = "31",
	[TONE_DIM] = "2",   [TONE_TITLE] = "1", [TONE_PLAIN] = NULL,
};

void text_begin(struct str *out, enum tone tone, const struct style *style)
{
	if (style->colour && tone_codes[tone])
		str_addf(out, "\033[%sm", tone_codes[tone]);
}

void text_end(struct str *out, enum tone tone, const struct style *style)
{
	if (style->colour && tone_codes[tone])
		str_add(out, "\033[0m");
}

/* ---- times ---- */

void text_span(struct str *out, int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		str_addf(out, "%" PRId64 " ms", ms);
	else if (s < 60)
		str_addf(out, "%" PRId64 " s", s);
	else if (s < 600 && s % 60)
		str_addf(out, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else if (s < 3600)
		str_addf(out, "%" PRId64 " min", s / 60);
	else if (s < 86400 && s % 3600 >= 60)
		str_addf(out, "%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
	else if (s < 86400)
		str_addf(out, "%" PRId64 " h", s / 3600);
	else if (s < 10 * 86400 && s % 86400 >= 3600)
		str_addf(out, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
	else
		str_addf(out, "%" PRId64 " d", s / 86400);
}

void text_when(struct str *out, int64_t at_ms, int64_t now_ms)
{
	int64_t span = at_ms > now_ms ? at_ms - now_ms : now_ms - at_ms;

	if (span < 1000) {
		str_add(out, "now");
		return;
	}
	if (at_ms > now_ms)
		str_add(out, "in ");
	text_span(out, span);
	if (at_ms < now_ms)
		str_add(out, " ago");
}

void text_date(struct str *out, int64_t at_ms)
{
	time_t at = (time_t)(at_ms / 1000);
	char date[64];
	struct tm tm;

	if (localtime_r(&at, &tm) && strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %z", &tm))
		str_add(out, date);
	else
		str_add(out, "?");
}
