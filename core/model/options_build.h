/*
 * model/options_build - options from any section, the core's own included
 */
#ifndef HC_MODEL_OPTIONS_BUILD_H
#define HC_MODEL_OPTIONS_BUILD_H

#include "model/options.h"

#include <stdbool.h>

/* A section to check against a table. */
struct option_source {
	const char *section;   /* "redis cache", for errors */
	const char *reference; /* what follows `hotcertd --options` */
	const struct config_entry *entries;
	size_t n_entries;
	struct config_where where;
	bool with_core;	  /* the core's keys are known too, though not in entries */
	bool keep_broken; /* give the options where errors were added as well; see options_build()
			   */
};

/*
 * options_parse() for any section. With keep_broken *ret_options is also set where 1 is returned:
 * what is wrong then counts as not given.
 */
int options_build(const struct option_table *table, const struct option_source *source,
		  struct errors *errors, struct options **ret_options);

#endif
