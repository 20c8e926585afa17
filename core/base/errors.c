/*
 * base/errors - a list of complaints
 */
#include "base/errors.h"

#include "base/str.h"

#include <stdlib.h>

/* Stands in for a text that no memory could be had for; never freed. */
static char out_of_memory[] = "out of memory";

void errors_finish(struct errors *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->text[i] != out_of_memory)
			free(e->text[i]);
	free(e->text);
	*e = (struct errors){0};
}

void errors_addv(struct errors *e, const char *format, va_list args)
{
	struct str s = {0};
	char **text, *line;

	str_addv(&s, format, args);
	line = str_take(&s);
	text = reallocarray(e->text, e->n + 1, sizeof(*text));
	if (text) {
		e->text = text;
		e->text[e->n++] = line ? line : out_of_memory;
		return;
	}
	free(line);
	if (e->n) { /* no room for one more: the last says so */
		if (e->text[e->n - 1] != out_of_memory)
			free(e->text[e->n - 1]);
		e->text[e->n - 1] = out_of_memory;
	}
}

void errors_add(struct errors *e, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	errors_addv(e, format, args);
	va_end(args);
}
