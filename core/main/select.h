/*
 * main/select - what a person means by a name: "redis:cache", or just "cache"
 */
#ifndef HC_MAIN_SELECT_H
#define HC_MAIN_SELECT_H

#include "base/str.h"
#include "engine/engine.h"

#include <stdbool.h>

/* The full name of an instance, or the part behind its colon. NULL means all. */
bool select_runner(const struct runner *r, const char *name);

/* For status: a watch by its name or an instance on it; an instance by its watch's name too. */
bool select_watch_for_status(const struct watch *w, const char *name);
bool select_runner_for_status(const struct runner *r, const char *name);

/* "no instance is called …; did you mean …?", or what there is. */
void select_unknown(const struct engine *e, const char *name, bool watches, struct str *why);

#endif
