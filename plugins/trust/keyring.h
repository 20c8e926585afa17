/*
 * trust/keyring - a store that only a program of its own can read and change: a keystore of Java, a
 * database of NSS
 *
 * What is in it is asked for when its file has changed. A change takes the lock, runs the program
 * once for each certificate that goes or comes, and asks again: all must be there then.
 */
#ifndef HC_TRUST_KEYRING_H
#define HC_TRUST_KEYRING_H

#include <limits.h>

#include "trust/listing.h"
#include "trust/lock.h"
#include "trust/program.h"

#define KEYRING_MAGIC 0x6b657972u

struct keyring;

struct keyring_ops {
	const char *program;
	bool folds; /* names become lower case */
	/* Fills the listing, then keyring_listed(). */
	void (*list)(struct keyring *ring);
	/* A line that the program prints; NULL while there is nothing to be read. */
	void (*on_line)(struct keyring *ring, const char *line);
	/* Before a change: 0, or a negative errno. */
	int (*begin)(struct keyring *ring);
	/* Each ends with keyring_step as the `next` of a run. The certificate is in ring->cert. */
	void (*remove)(struct keyring *ring, const char *name);
	void (*import)(struct keyring *ring, const char *name);
	/* Makes a change that is in the listing valid: 0, or a negative errno. NULL: it is already.
	 */
	int (*publish)(struct keyring *ring);
	/* Gives up what list() and begin() have taken. Twice does no harm. */
	void (*finish)(struct keyring *ring);
};

struct keyring {
	struct store store;
	unsigned magic;
	const struct keyring_ops *ops;
	const char *dir; /* that the lock is on */
	struct listing listing;
	bool no_memory; /* the listing lacks something */

	struct program program;
	void (*next)(struct keyring *ring);

	/* The change under way. */
	bool changing;
	struct inventory *inventory;
	struct lock lock;
	char cert[PATH_MAX]; /* the certificate to be imported */
	size_t at;
	bool cleared; /* the old certificate of that name is out */
};

/* For create(): all but dir and cert, which a change needs. */
void keyring_init(struct keyring *ring, const struct store_env *env, const struct keyring_ops *ops);
void keyring_finish(struct keyring *ring);

/* Runs the program, then next. */
void keyring_run(struct keyring *ring, const char *const *argv, const char *const *env,
		 void (*next)(struct keyring *ring));
/* Adds to the listing. */
void keyring_add(struct keyring *ring, const char *name, bool trusted,
		 const uint8_t fingerprint[32]);
void keyring_listed(struct keyring *ring);
void keyring_step(struct keyring *ring);
/* Ends what is under way, a change or a look. */
void keyring_end(struct keyring *ring, int32_t status, const char *format, ...) HC_PRINTF(3, 4);

/* Operations of store_type. refresh() is for a file of that path. */
void keyring_refresh(struct keyring *ring, const char *path);
int keyring_look(struct store *store, struct inventory *inventory, char why[STORE_WHY]);
void keyring_change(struct store *store, struct inventory *inventory);
void keyring_cancel(struct store *store);

/* Writes a file of the change; flags of struct hc_replace. 0 or a negative errno. */
int keyring_put(struct keyring *ring, const char *path, const char *data, size_t len,
		uint32_t flags, uint32_t mode);

#endif
