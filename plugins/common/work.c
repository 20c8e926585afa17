#include "common/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct work {
	const struct hc_host *host;
	struct work **list; /* NULL once its thread was joined */
	struct work *next;
	struct work_task task;
	work_fn done; /* NULL: cancelled */
	void *owner;
	pthread_t thread;
	hc_post *post;
	int result;
};

/* Leaves the list and waits for the thread, which has ended or is about to. */
static void work_join(struct work *work)
{
	struct work **at = work->list;

	if (!at)
		return;
	while (*at != work)
		at = &(*at)->next;
	*at = work->next;
	work->list = NULL;
	pthread_join(work->thread, NULL);
}

static void work_free(struct work *work)
{
	work->task.free(work->task.data);
	free(work);
}

static void on_end(void *data, uint32_t alive)
{
	struct work *work = data;

	work_join(work);
	if (alive && work->done)
		work->done(work->owner, work->task.data, work->result);
	work_free(work);
}

static void *thread_main(void *data)
{
	struct work *work = data;

	work->result = work->task.run(work->task.data);
	/* The loop may take the work from here on; it waits for this thread before it frees it. */
	work->host->post_send(work->post);
	return NULL;
}

/* All signals stay with the thread of the loop. */
static int thread_start(struct work *work)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&work->thread, NULL, thread_main, work);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int work_start(const struct hc_host *host, hc_ctx *ctx, struct work **list,
	       const struct work_task *task, work_fn done, void *owner, struct work **ret_work)
{
	struct work *work = calloc(1, sizeof(*work));
	int r;

	if (!work) {
		task->free(task->data);
		return -ENOMEM;
	}
	work->host = host;
	work->task = *task;
	work->done = done;
	work->owner = owner;
	work->post = host->post_open(ctx, on_end, work);
	if (!work->post) {
		work_free(work);
		return -ENOMEM;
	}
	work->list = list;
	work->next = *list;
	*list = work;
	r = thread_start(work);
	if (r < 0) {
		/* The post can't be taken back: it frees the work without a call. */
		*list = work->next;
		work->list = NULL;
		work->done = NULL;
		host->post_send(work->post);
		return r;
	}
	*ret_work = work;
	return 0;
}

void work_cancel(struct work *work)
{
	if (work)
		work->done = NULL;
}

void work_join_all(struct work **list)
{
	while (*list) {
		work_cancel(*list);
		work_join(*list);
	}
}
