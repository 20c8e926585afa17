#include "common/resolve.h"

#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#define RESOLVE_MAGIC 0x5e501fe5u
/* NSS modules (sssd, systemd-resolved) want more than PTHREAD_STACK_MIN; pages come as they are
 * used. */
#define RESOLVE_STACK ((size_t)PTHREAD_STACK_MIN + 256 * 1024)
#define RESOLVE_THREADS_MAX 16

struct resolve {
	unsigned magic;
	const struct hc_host *host;
	hc_post *post;
	resolve_fn fn; /* NULL: cancelled. Belongs to the loop's thread, as data does */
	void *data;
	int error; /* this and the list: the look-up's thread, until post_send() */
	struct addrinfo *list;
	char service[8];
	char name[];
};

/* Look-ups under way, the cancelled ones too: a dead name server must not eat all threads. */
static atomic_int threads;

int resolve_literal(const char *host, uint16_t port, struct addrinfo **ret_list)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST,
	};
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	return getaddrinfo(host, service, &hints, ret_list);
}

static void resolve_free(struct resolve *r)
{
	if (r->list)
		freeaddrinfo(r->list);
	r->magic = 0;
	free(r);
}

static void on_result(void *data, uint32_t alive)
{
	struct resolve *r = data;

	assert(r->magic == RESOLVE_MAGIC);
	atomic_fetch_sub(&threads, 1);
	if (alive && r->fn)
		r->fn(r->data, r->error, steal(&r->list));
	resolve_free(r);
}

static void *look_up(void *data)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG,
	};
	struct resolve *r = data;

	r->error = getaddrinfo(r->name, r->service, &hints, &r->list);
	if (r->error)
		r->list = NULL;
	r->host->post_send(r->post);
	return NULL;
}

/* Starts the thread, detached and deaf to signals, which are the loop's. */
static int spawn_thread(struct resolve *r)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int e;

	e = pthread_attr_init(&attr);
	if (e)
		return -e;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, RESOLVE_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&thread, &attr, look_up, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -e;
}

static struct resolve *resolve_new(const struct hc_host *host, const char *name, uint16_t port,
				   resolve_fn fn, void *data)
{
	struct resolve *r = calloc(1, sizeof(*r) + strlen(name) + 1);

	if (!r)
		return NULL;
	r->magic = RESOLVE_MAGIC;
	r->host = host;
	r->fn = fn;
	r->data = data;
	snprintf(r->service, sizeof(r->service), "%u", port);
	memcpy(r->name, name, strlen(name) + 1);
	return r;
}

int resolve_start(const struct hc_host *host, hc_ctx *ctx, const char *name, uint16_t port,
		  resolve_fn fn, void *data, struct resolve **ret_resolve)
{
	struct resolve *r;

	if (atomic_load(&threads) >= RESOLVE_THREADS_MAX)
		return -EAGAIN;
	r = resolve_new(host, name, port, fn, data);
	if (!r)
		return -ENOMEM;
	r->post = host->post_open(ctx, on_result, r);
	if (!r->post) {
		resolve_free(r);
		return -ENOMEM;
	}
	atomic_fetch_add(&threads, 1);
	if (spawn_thread(r) < 0) {
		/* What was opened has to be sent once: the failure takes the same way. */
		r->error = EAI_AGAIN;
		host->post_send(r->post);
	}
	*ret_resolve = r;
	return 0;
}

void resolve_cancel(struct resolve *r)
{
	if (!r)
		return;
	assert(r->magic == RESOLVE_MAGIC);
	r->fn = NULL;
}
