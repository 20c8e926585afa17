/*
 * model/config_dirs - which drop-ins there are
 */
#ifndef HC_MODEL_CONFIG_DIRS_H
#define HC_MODEL_CONFIG_DIRS_H

#include "base/errors.h"

#include <stddef.h>

/* Paths in the order in which they are to be read. Zeroed is empty. */
struct config_dirs {
	char **paths;
	size_t n;
};

/*
 * Finds the *.conf in the directories (NULL-terminated, weakest first; NULL: the default path,
 * where each may be missing). A file hides those of its name in earlier directories; one that is a
 * link to /dev/null is left out. Returns 0, 1 where errors were added, -ENOMEM.
 */
int config_dirs_find(const char *const *dirs, struct errors *errors, struct config_dirs *ret_found);
void config_dirs_finish(struct config_dirs *found);

#endif
