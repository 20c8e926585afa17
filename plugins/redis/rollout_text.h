/*
 * redis/rollout_text - what is said of a rollout that has ended
 */
#ifndef HC_REDIS_ROLLOUT_TEXT_H
#define HC_REDIS_ROLLOUT_TEXT_H

#include "redis/rollout.h"

/* One line and the job's status; free(3) it. NULL: out of memory. */
char *rollout_result(const struct rollout *rollout, int32_t *ret_status);

/* The reports of a check, server by server, and its status. */
char *rollout_report(const struct rollout *rollout, int32_t *ret_status);

#endif
