/*
 * model/config_sections - the sections of all drop-ins, merged
 */
#ifndef HC_MODEL_CONFIG_SECTIONS_H
#define HC_MODEL_CONFIG_SECTIONS_H

#include "base/arena.h"
#include "base/errors.h"
#include "base/str.h"
#include "model/config.h"

#include <stdbool.h>

/* One section, from whatever files. It goes with sections_finish(). */
struct section {
	char *title;		      /* "hotcert", "watch redis", "redis cache" */
	char *kind;		      /* the first word; it stays, and so do the keys of entries */
	char *name;		      /* the second, in title; NULL: there is none */
	struct config_where where;    /* its first header */
	struct config_where opened;   /* its newest header */
	struct config_entry *entries; /* "" as a value: not given, or taken back */
	size_t n_entries;
	size_t size;
};

struct sections {
	struct arena *arena;  /* what stays: names of files, keys and kinds */
	struct arena scratch; /* the rest */
	struct errors *errors;
	struct section **list; /* in order of appearance */
	size_t n;
	size_t size;
	void *by_title; /* trees of tsearch(3) */
	void *words;	/* keys and kinds, each kept once */
	/* while a file is read */
	const char *file;
	struct section *now;	    /* NULL: its keys are passed over */
	struct config_entry *entry; /* the key at hand, or NULL */
	struct str value;	    /* and its value so far */
	unsigned n_complaints;	    /* about the file */
	bool failed;		    /* out of memory */
};

void sections_init(struct sections *s, struct arena *arena, struct errors *errors);
void sections_finish(struct sections *s);

/* Merges a file into them. Returns 0, 1 where errors were added, -ENOMEM. */
int sections_read(struct sections *s, const char *path);

/* Ends the reading: keys without a value go. */
void sections_settle(struct sections *s);

/* The section [KIND NAME], or [KIND] where name is NULL; NULL: there is none. */
struct section *sections_find(const struct sections *s, const char *kind, const char *name);

#endif
