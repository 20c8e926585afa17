/*
 * model/config_build - from sections to a configuration; shared by model/config*.c alone
 */
#ifndef HC_MODEL_CONFIG_BUILD_H
#define HC_MODEL_CONFIG_BUILD_H

#include "model/config.h"
#include "model/config_sections.h"
#include "model/options_build.h"

struct config_build {
	struct sections sections;
	struct errors *errors;
	struct config *config;
	bool failed; /* out of memory */
};

/* "file:line: [section] key: text"; key may be NULL. */
void config_complain(struct config_build *b, const struct config_where *where, const char *section,
		     const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Where a key stands, or its section where it is not given. */
const struct config_where *config_where_is(const struct section *section, const char *key);

/* A copy in the configuration; NULL where text is, or where memory ran out (b->failed). */
char *config_keep(struct config_build *b, const char *text);

/* A path in a directory, repeated slashes and those at its end removed; dir NULL: path is absolute.
 */
char *config_keep_path(struct config_build *b, const char *dir, const char *path);

/* Checks a section's entries against the core's keys. *ret is set on 0 and on 1 (errors added). */
int config_options(struct config_build *b, const struct option_table *table,
		   const struct option_source *source, struct options **ret);

/* 0 and *ret filled in, 1 where errors were added, or -ENOMEM. */
int config_build_watch(struct config_build *b, const struct section *section,
		       struct config_watch *ret);

/* The same, but errors leave 0: what else is wrong with the instance is for its plugin to find. */
int config_build_instance(struct config_build *b, const struct section *section,
			  struct config_instance *ret);

#endif
