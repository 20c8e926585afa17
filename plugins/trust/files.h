/*
 * trust/files - the files of hotcert in a directory, one for each root: their names say what they
 * are
 */
#ifndef HC_TRUST_FILES_H
#define HC_TRUST_FILES_H

#include "trust/store.h"

/*
 * Added to the name of a file that is being taken out: programs do not see it any more, but we do,
 * until all is done. A crash in between is so made good by the next job. It begins with a dot
 * because Alpine's program takes every other file, whatever its name ends in.
 */
#define FILES_HIDDEN '.'
#define FILES_GONE ".gone"

/* Notes what this and other instances have in the directory. 0 or a negative errno. */
int files_look(const struct store *store, const char *dir, const char *suffix,
	       struct inventory *inventory);

/* Writes the file of a wanted root. 0 or a negative errno. */
int files_write(const struct store *store, const char *dir, const char *suffix,
		const struct entry *entry);

#endif
