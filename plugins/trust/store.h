/*
 * trust/store - a place that programs look for roots in, and what is to be done there
 *
 * A store is looked at, which gives an inventory; plan() marks what is to be done; the store does
 * it. The inventory is the only record of what this instance has installed: it is written into the
 * stores themselves, as a file name or a comment, so neither a crash nor a lost state directory
 * confuses it.
 */
#ifndef HC_TRUST_STORE_H
#define HC_TRUST_STORE_H

#include <hotcert/plugin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trust/roots.h"

#define STORE_WHY 512 /* bytes of a message */

/* What is known of a root in a store, or-ed. */
enum {
	STORE_OURS = 1,	   /* this instance has put it there */
	STORE_OTHERS = 2,  /* another instance of hotcert has */
	STORE_LIVE = 4,	   /* programs find it there, whoever has put it there */
	STORE_DAMAGED = 8, /* ours, but what we had written is not intact */
};

enum {
	TODO_NOTHING,
	TODO_INSTALL,
	TODO_REMOVE,
};

struct entry {
	uint8_t fingerprint[32];
	const struct root *root; /* NULL: nobody wants it any more */
	unsigned flags;
	int todo;
	char *name; /* what the store calls it; NULL where it is not ours */
};

/* Each wanted root, then whatever else this instance has in the store. */
struct inventory {
	struct entry *list;
	size_t n;
};

/* One entry without flags for each wanted root. 0 or -ENOMEM. */
int inventory_init(struct inventory *inventory, const struct roots *wanted);
void inventory_finish(struct inventory *inventory);
/* The entry of a fingerprint, or NULL. */
struct entry *inventory_find(struct inventory *inventory, const uint8_t fingerprint[32]);
/* Notes that the store has this one from us, called name (copied). 0 or -ENOMEM. */
int inventory_own(struct inventory *inventory, const uint8_t fingerprint[32], const char *name);
/*
 * Notes one of ours that is not what its name says: to be written anew where that root is wanted.
 * Else it goes like any other; the name's half of the fingerprint and zeros stand for what it was.
 * 0 or -ENOMEM.
 */
int inventory_own_damaged(struct inventory *inventory, const struct name_parts *parts,
			  const char *name);
/* Notes that another instance of hotcert has put this one there. */
void inventory_note_others(struct inventory *inventory, const struct name_parts *parts);
/* Notes that programs find this one there; for pem_each(). */
void inventory_note_live(void *inventory, const uint8_t *der, size_t len,
			 const uint8_t fingerprint[32]);
/* To look again after a change: whether all that was to be installed is live; else *ret_not is not.
 */
void inventory_forget_live(struct inventory *inventory);
bool inventory_all_live(const struct inventory *inventory, const struct entry **ret_not);
/* True where anything is marked to be done. */
bool inventory_has_work(const struct inventory *inventory);

/* When a root may be taken out that is no longer wanted. */
struct plan_rules {
	bool complete;	/* the wanted roots are known in full; else nothing is removed */
	bool uninstall; /* all of ours go, now */
	int64_t now;	/* wall clock, ms */
	int64_t overlap;
	/* Since when it has been unwanted; the first time it asks, that is now. */
	int64_t (*unwanted_since)(void *data, const uint8_t fingerprint[32]);
	void *data;
};

struct tally {
	size_t ours;	/* installed by us and wanted, when all is done */
	size_t present; /* wanted, and there already from somebody else */
	size_t waiting; /* no longer wanted, still within overlap */
	int64_t next;	/* when the first of those is due; INT64_MAX: none */
};

/* Marks what is to be done with each entry. */
struct tally plan(struct inventory *inventory, const struct plan_rules *rules);

/* What the stores of one instance share. */
struct store_env {
	const struct hc_host *host;
	hc_ctx *ctx;
	char instance[NAME_INSTANCE];
	const char *sysroot; /* "" or the directory that holds the system */
	/* Ends refresh(): HC_OK, or the status and why. */
	void (*refreshed)(void *data, int32_t status, const char *why);
	/* Ends change(): an HC_* status, and one line of text where it is not HC_OK. */
	void (*done)(void *data, int32_t status, const char *text);
	void *data;
};

struct store;

struct store_type {
	const char *scheme; /* "bundle" of "bundle:/path" */
	/* arg: what follows the colon, "" where there is none. 0, -ENOMEM, or -EINVAL and *ret_why.
	 */
	int (*create)(const struct store_env *env, const char *arg, struct store **ret,
		      const char **ret_why);
	void (*destroy)(struct store *store);
	/* Asks a program what look() is to say, and then calls env->refreshed(), now or later.
	 * NULL: look() needs none. */
	void (*refresh)(struct store *store);
	/* Fills in what is there. 0 or a negative errno and why, one line. */
	int (*look)(struct store *store, struct inventory *inventory, char why[STORE_WHY]);
	/* Begins what is marked, then calls env->done(), now or later. The inventory stays till
	 * then. */
	void (*change)(struct store *store, struct inventory *inventory);
	/* Drops what is under way; neither done() nor refreshed() comes. */
	void (*cancel)(struct store *store);
};

struct store {
	const struct store_type *type;
	const struct store_env *env;
	const char *spec; /* as configured */
	struct tally tally;
};

extern const struct store_type store_bundle, store_directory, store_java, store_nss, store_system;

/* Makes the store that a word of `stores` names, which must outlive it. As store_type.create. */
int store_create(const struct store_env *env, const char *spec, struct store **ret,
		 const char **ret_why);

/* HC_RETRY where a later try may do better without anybody's help (disk full), else HC_FAILED. */
int32_t store_status(int error);

/* What to do about an error in writing, as the end of a sentence; "" where there is nothing to say.
 */
const char *store_hint(int error);

/* Reads a file of at most 16 MiB; NUL-terminated, free with free(3). Negative errno. */
int store_read(const char *path, char **ret_text, size_t *ret_len);

#endif
