/*
 * redis/rollout - all servers of an instance, one after another, up to the first failure
 */
#ifndef HC_REDIS_ROLLOUT_H
#define HC_REDIS_ROLLOUT_H

#include "redis/target.h"

#include <hotcert/plugin.h>
#include <stdbool.h>

/* text is valid inside the call; one line, or of a dry run the report. */
typedef void (*rollout_fn)(void *data, int32_t status, const char *text);

struct rollout {
	struct target **targets; /* the owner's */
	uint32_t n;
	uint32_t next; /* to be run */
	bool running, dry;
	int32_t status; /* of a dry run: the worst so far */
	const struct wanted *wanted;
	rollout_fn fn;
	void *data;
};

/*
 * Runs the targets; fn is called once, maybe from inside. wanted must live until then. A dry run
 * looks at all of them, whatever it finds.
 */
void rollout_start(struct rollout *rollout, const struct wanted *wanted, bool dry, rollout_fn fn,
		   void *data);
/* fn is not called any more. */
void rollout_cancel(struct rollout *rollout);

#endif
