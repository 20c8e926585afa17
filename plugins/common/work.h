/*
 * common/work - one long computation on a thread of its own, its end on the loop
 */
#ifndef HC_COMMON_WORK_H
#define HC_COMMON_WORK_H

#include <hotcert/plugin.h>

struct work;

/* What to compute. All of it belongs to the work from work_start() on. */
struct work_task {
	int (*run)(void *data);	  /* on the thread; must touch nothing but data */
	void (*free)(void *data); /* on the loop, always, after done */
	void *data;
};

/* Called on the loop, with what run() returned; data is freed after it. */
typedef void (*work_fn)(void *owner, void *data, int result);

/*
 * Starts. list is the instance's list of works, NULL at first. -ENOMEM or -EAGAIN: not started,
 * and data was freed.
 */
int work_start(const struct hc_host *host, hc_ctx *ctx, struct work **list,
	       const struct work_task *task, work_fn done, void *owner, struct work **ret_work);

/* done will not be called any more; the thread runs to its end in the background. Takes NULL. */
void work_cancel(struct work *work);

/* For destroy(): cancels all works of a list and waits for their threads. */
void work_join_all(struct work **list);

#endif
