/*
 * ctl/text - text for a person's terminal: widths, wrapping, colours, times
 */
#ifndef HC_CTL_TEXT_H
#define HC_CTL_TEXT_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tone {
	TONE_PLAIN,
	TONE_GOOD,
	TONE_WARN,
	TONE_BAD,
	TONE_DIM,
	TONE_TITLE,
};

struct style {
	bool colour;
	bool terminal;
	size_t columns; /* wrapped at that; on a terminal lines are cut there too */
};

/* For stdout: colour only on a terminal and without $NO_COLOR (no-color.org). */
struct style text_style(void);

/*
 * Adds text so that it can't do anything to a terminal: control characters as \xNN, a newline as a
 * space, what is not UTF-8 as U+FFFD. Not more than `columns` wide, with an ellipsis where cut.
 */
void text_add(struct str *out, const char *text, size_t columns);
/* The same, newlines kept and nothing cut. */
void text_add_lines(struct str *out, const char *text);
/* The columns of text as text_add() writes it. */
size_t text_width(const char *text);

/* Adds words, wrapped, each line indented and ended by a newline. */
void text_wrap(struct str *out, const char *text, size_t indent, const struct style *style);

/* Around what is coloured. */
void text_begin(struct str *out, enum tone tone, const struct style *style);
void text_end(struct str *out, enum tone tone, const struct style *style);

/* "5 h 12 min", "3 d 4 h", "12 s", "350 ms"; ms is not negative. */
void text_span(struct str *out, int64_t ms);
/* "in 5 h 12 min", "3 min ago", "now" */
void text_when(struct str *out, int64_t at_ms, int64_t now_ms);
/* "2026-08-01 12:04:10 +0200" */
void text_date(struct str *out, int64_t at_ms);

#endif
