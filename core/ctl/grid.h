/*
 * ctl/grid - aligned columns, with notes of several lines under a row
 */
#ifndef HC_CTL_GRID_H
#define HC_CTL_GRID_H

#include "ctl/text.h"

#define GRID_COLUMNS_MAX 8

struct grid_cell {
	char *text;
	enum tone tone;
};

struct grid_row {
	struct grid_cell cells[GRID_COLUMNS_MAX];
	struct grid_cell *notes;
	size_t n_notes;
};

/* Zeroed is empty. */
struct grid {
	struct grid_row *rows;
	size_t n_rows;
	size_t n_columns;
	size_t at; /* the next cell of the last row */
};

void grid_finish(struct grid *g);

void grid_row(struct grid *g);
/* The next cell of the row; NULL is an empty one. */
void grid_cell(struct grid *g, enum tone tone, const char *text);
/* A paragraph under the row. */
void grid_note(struct grid *g, enum tone tone, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void grid_print(const struct grid *g, struct str *out, const struct style *style);

#endif
