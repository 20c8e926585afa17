/*
 * tests/unit/scratch - a folder per test, files in it, and what to expect of errors
 *
 * All of it aborts the test where it fails.
 */
#ifndef HC_TESTS_SCRATCH_H
#define HC_TESTS_SCRATCH_H

#include "base/errors.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_MUST(x)                                                                            \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s failed: %m\n", __FILE__, __LINE__, #x);         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static char scratch[64];

static inline int scratch_setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/hotcert-unit-XXXXXX");
	SCRATCH_MUST(mkdtemp(scratch));
	return 0;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
				     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int scratch_teardown(void **state)
{
	(void)state;
	SCRATCH_MUST(nftw(scratch, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
	return 0;
}

/* The path of a name in the folder; good until the eighth call from now. */
static inline const char *scratch_path(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

static inline void scratch_write_n(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(scratch_path(name), "we");

	SCRATCH_MUST(f);
	SCRATCH_MUST(fwrite(data, 1, len, f) == len);
	SCRATCH_MUST(fclose(f) == 0);
}

static inline void scratch_write(const char *name, const char *text)
{
	scratch_write_n(name, text, strlen(text));
}

static inline void scratch_mkdir(const char *name)
{
	SCRATCH_MUST(mkdir(scratch_path(name), 0755) == 0);
}

/* True where one of the errors begins with the folder's "NAME:LINE: " and has these words. */
static inline bool has_error(const struct errors *e, const char *place, const char *words)
{
	char start[512];

	snprintf(start, sizeof(start), "%s/%s: ", scratch, place);
	for (size_t i = 0; i < e->n; i++)
		if (!strncmp(e->text[i], start, strlen(start)) && strstr(e->text[i], words))
			return true;
	fprintf(stderr, "no error \"%s ... %s\" among:\n", start, words);
	for (size_t i = 0; i < e->n; i++)
		fprintf(stderr, "  %s\n", e->text[i]);
	return false;
}

#endif
