/*
 * engine/retry - how long to wait after a try that failed, over restarts too
 */
#ifndef HC_ENGINE_RETRY_H
#define HC_ENGINE_RETRY_H

#include "engine/runner.h"
#include "plugins/job.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Delay in milliseconds before try number attempts + 1: min doubled with each, at most max, then a
 * random part of up to a quarter off, so that many instances don't come at once. hint_min and
 * hint_max (-1: none) are the plugin's bounds and win over both.
 */
int64_t retry_delay(uint32_t attempts, int64_t min_ms, int64_t max_ms, int64_t hint_min_ms,
		    int64_t hint_max_ms, uint32_t random);

/* Counts a failed try, winds the timer up, remembers it on disk. Returns the delay. */
int64_t retry_later(struct runner *r, const struct job_result *result);
/* Counts one that trying again would not mend. */
void retry_give_up(struct runner *r, const struct job_result *result);
/* A new start: no tries so far. */
void retry_forget(struct runner *r);

/* Takes up the tries made before a restart for the same snapshot and section; true: it must still
 * wait. */
bool retry_resume(struct runner *r);

/* The runner's side: wakes it after so long; negative: never. */
void runner_wind_retry(struct runner *r, int64_t after_ms);

#endif
