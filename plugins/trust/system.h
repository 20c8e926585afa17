/*
 * trust/system - what the two halves of the system store share: looking at it, and changing it
 */
#ifndef HC_TRUST_SYSTEM_H
#define HC_TRUST_SYSTEM_H

#include <limits.h>

#include "trust/files.h"
#include "trust/links.h"
#include "trust/lock.h"
#include "trust/program.h"
#include "trust/store.h"

#define SYSTEM_MAGIC 0x73797374u

#define SYSTEM_SUFFIX ".crt"

/* An option that tells a program of a path, which then is one below the sysroot. */
struct path_option {
	const char *name, *path;
};

#define SYSTEM_OPTIONS 5 /* at most, for each program */

struct family {
	const char *name;
	const char *
		sign; /* where anchors and program are no proof, what else must be there; or NULL */
	const char *anchors;  /* the directory for the administrator's roots */
	const char *update;   /* the program that builds the rest */
	const char *argument; /* of that, or NULL */
	const char *bundle;   /* a file with all roots that it builds */
	const char *links;    /* a directory of hash links that it does not tidy; or NULL */
	const char *up;	      /* from there to the root directory */
	/*
	 * How the program of the running system is told to work below a sysroot; none: it cannot
	 * be, and the one that is in there runs, with the sysroot as its root directory.
	 */
	struct path_option options[SYSTEM_OPTIONS];
};

struct system {
	struct store store;
	unsigned magic;

	/* The change under way. */
	const struct family *family;
	struct inventory *inventory;
	struct lock lock; /* on the directory with the roots */
	struct program program;
	void (*next)(struct system *sys);
	struct links released; /* rows of links to be tidied when it has ended */
};

/* The family that this system is of, or NULL. */
const struct family *system_detect(const struct store *store);

/* Whether the family's program runs with the sysroot as its root directory. */
bool system_is_chroot(const struct store *store, const struct family *family);

/* A path below the sysroot, in a buffer of the caller; name may be "". */
const char *system_path(const struct store *store, const char *dir, const char *name,
			char buf[PATH_MAX]);

/* Marks what is live. 0, also where there is no such file yet, or a negative errno. */
int system_look_at_bundle(const struct store *store, const struct family *family,
			  struct inventory *inventory);

/* Does to the files what is marked, before the program runs. 0 or a negative errno. */
int system_files_write(struct system *sys);
/* Puts the links in order and removes what was kept for the time of the change. 0 or a negative
 * errno.
 */
int system_files_settle(struct system *sys);
/*
 * Whether the link to our file of that name leads into the sysroot from outside, as the program
 * makes it: whoever has that directory for its root finds nothing there. A finished change leaves
 * none.
 */
bool system_link_is_outward(const struct store *store, const struct family *family,
			    const char *name);

void system_change_init(struct system *sys, const struct store_env *env);
/* The operation of store_type, and the end of one that is under way. */
void system_change(struct store *store, struct inventory *inventory);
void system_change_finish(struct system *sys);

#endif
