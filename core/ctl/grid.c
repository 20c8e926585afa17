/*
 * ctl/grid - aligned columns, with notes of several lines under a row
 */
#include "ctl/grid.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2
#define CELL_MAX 44 /* a column but the last is not wider; longer cells push their row out */
#define NOTE_INDENT 4

static void *must(void *p)
{
	if (!p)
		abort(); /* a screenful of text: there is nothing better to do */
	return p;
}

void grid_finish(struct grid *g)
{
	for (size_t i = 0; i < g->n_rows; i++) {
		for (size_t k = 0; k < GRID_COLUMNS_MAX; k++)
			free(g->rows[i].cells[k].text);
		for (size_t k = 0; k < g->rows[i].n_notes; k++)
			free(g->rows[i].notes[k].text);
		free(g->rows[i].notes);
	}
	free(g->rows);
	*g = (struct grid){0};
}

void grid_row(struct grid *g)
{
	if ((g->n_rows & (g->n_rows - 1)) == 0) /* grows by doubling */
		g->rows = must(
			reallocarray(g->rows, g->n_rows ? 2 * g->n_rows : 1, sizeof(*g->rows)));
	g->rows[g->n_rows++] = (struct grid_row){0};
	g->at = 0;
}

void grid_cell(struct grid *g, enum tone tone, const char *text)
{
	struct grid_cell *cell = &g->rows[g->n_rows - 1].cells[g->at++];

	assert(g->at <= GRID_COLUMNS_MAX);
	if (g->at > g->n_columns)
		g->n_columns = g->at;
	cell->text = must(strdup(text ? text : ""));
	cell->tone = tone;
}

void grid_note(struct grid *g, enum tone tone, const char *format, ...)
{
	struct grid_row *row = &g->rows[g->n_rows - 1];
	struct str text = {0};
	va_list args;

	va_start(args, format);
	str_addv(&text, format, args);
	va_end(args);
	row->notes = must(reallocarray(row->notes, row->n_notes + 1, sizeof(*row->notes)));
	row->notes[row->n_notes++] = (struct grid_cell){must(str_take(&text)), tone};
}

static size_t column_width(const struct grid *g, size_t column)
{
	size_t widest = 0;

	for (size_t i = 0; i < g->n_rows; i++) {
		const char *text = g->rows[i].cells[column].text;
		size_t width = text ? text_width(text) : 0;

		if (width > widest && width <= CELL_MAX)
			widest = width;
	}
	return widest;
}

static void print_cell(const struct grid_cell *cell, size_t columns, struct str *out,
		       const struct style *style)
{
	text_begin(out, cell->tone, style);
	text_add(out, cell->text, columns);
	text_end(out, cell->tone, style);
}

static void print_note(const struct grid_cell *note, struct str *out, const struct style *style)
{
	struct str lines = {0};

	text_wrap(&lines, note->text, NOTE_INDENT, style);
	text_begin(out, note->tone, style);
	str_add_n(out, str_get(&lines), lines.len ? lines.len - 1 : 0); /* the newline: after it */
	text_end(out, note->tone, style);
	str_add(out, "\n");
	str_finish(&lines);
}

/* Spaces go in front of a cell, not behind it: no line ends in white space. */
static void print_row(const struct grid *g, const struct grid_row *row, const size_t *widths,
		      struct str *out, const struct style *style)
{
	size_t at = 0, start = 0;

	for (size_t k = 0; k < g->n_columns; k++) {
		const struct grid_cell *cell = &row->cells[k];
		size_t room = SIZE_MAX;

		if (cell->text && *cell->text) {
			str_addf(out, "%*s", start > at ? (int)(start - at) : at ? 1 : 0, "");
			at = start > at ? start : at ? at + 1 : 0;
			if (style->terminal)
				room = style->columns > at ? style->columns - at : 1;
			print_cell(cell, room, out, style);
			at += text_width(cell->text);
		}
		start += widths[k] + GAP;
	}
	str_add(out, "\n");
	for (size_t k = 0; k < row->n_notes; k++)
		print_note(&row->notes[k], out, style);
}

void grid_print(const struct grid *g, struct str *out, const struct style *style)
{
	size_t widths[GRID_COLUMNS_MAX] = {0};

	for (size_t k = 0; k < g->n_columns; k++)
		widths[k] = column_width(g, k);
	for (size_t i = 0; i < g->n_rows; i++)
		print_row(g, &g->rows[i], widths, out, style);
}
