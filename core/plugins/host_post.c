#include "plugins/host.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct hc_post {
	struct hc_post *next;
	struct hc_ctx *ctx;
	hc_post_fn fn;
	void *data;
};

/* The one place that two threads share. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loop_async *async; /* under lock; NULL: the loop is gone */
static struct hc_post *queue;	 /* under lock; newest first */

static struct hc_post *queue_take(void)
{
	struct hc_post *newest, *oldest = NULL;

	pthread_mutex_lock(&lock);
	newest = queue;
	queue = NULL;
	pthread_mutex_unlock(&lock);
	while (newest) {
		struct hc_post *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

static void posts_deliver(void *data)
{
	struct hc_post *post = queue_take();

	(void)data;
	while (post) {
		struct hc_post *next = post->next;
		struct host_call call = host_enter(post->ctx, "post");

		post->fn(post->data, !post->ctx->dead);
		host_leave(&call);
		host_ctx_unref(post->ctx);
		free(post);
		post = next;
	}
}

int host_post_init(struct loop *loop)
{
	async = loop_async_add(loop, posts_deliver, NULL);
	return async ? 0 : -ENOMEM;
}

void host_post_finish(void)
{
	struct loop_async *old;

	posts_deliver(NULL);
	pthread_mutex_lock(&lock);
	old = async;
	async = NULL;
	pthread_mutex_unlock(&lock);
	loop_async_remove(old);
}

hc_post *host_post_open(hc_ctx *ctx, hc_post_fn fn, void *data)
{
	struct hc_post *post = calloc(1, sizeof(*post));

	assert(ctx->magic == HOST_CTX_MAGIC);
	if (!post)
		return NULL;
	ctx->refs++;
	post->ctx = ctx;
	post->fn = fn;
	post->data = data;
	return post;
}

void host_post_send(hc_post *post)
{
	pthread_mutex_lock(&lock);
	post->next = queue;
	queue = post;
	if (async)
		loop_async_send(async);
	pthread_mutex_unlock(&lock);
}
