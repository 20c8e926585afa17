/*
 * base/errors - a list of complaints, gathered so that all of them can be shown at once
 */
#ifndef HC_BASE_ERRORS_H
#define HC_BASE_ERRORS_H

#include <stdarg.h>
#include <stddef.h>

/* Zeroed is empty. */
struct errors {
	char **text;
	size_t n;
};

void errors_finish(struct errors *e);

/* Adds one; what no memory can be had for is counted and shown as "out of memory". */
void errors_add(struct errors *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
void errors_addv(struct errors *e, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

#endif
