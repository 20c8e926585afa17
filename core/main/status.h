/*
 * main/status - what `hotcertctl status` shows, as JSON
 *
 * Times are milliseconds since 1970, or null; texts that say nothing are null.
 */
#ifndef HC_MAIN_STATUS_H
#define HC_MAIN_STATUS_H

#include "engine/engine.h"
#include "main/answer.h"

#include <stdbool.h>

/*
 * Writes "daemon", "watches" and "instances"; with a name (may be NULL) only what it selects.
 * Returns how many watches and instances these were.
 */
size_t status_write(struct answer *a, const struct engine *e, const char *name);

/* "whole", "missing", "broken", "expired"; "unread" where the watch was not read yet. */
const char *status_watch_state(const struct watch *w);

/* The snapshot's certificate that a person asks for: the leaf of `cert`, else the first. Or NULL.
 */
const struct hc_cert *status_leaf(const struct snapshot *s);

/* One line for systemd's STATUS=, of valid UTF-8 without control characters. */
void status_line(const struct engine *e, struct str *line);

#endif
