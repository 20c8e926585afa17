#include "stepca/authority.h"

#include "common/http.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define AUTHORITY_MAGIC 0x61757468U

/* More would fill the host's places for jobs, which other instances need, too. */
enum { QUEUE_MAX = 24 };

/* All that are in use. Plugins run on one thread. */
static struct authority *authorities;

/* -- members -------------------------------------------------------------------------------- */

static struct authority *authority_create(const char *url)
{
	struct authority *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->magic = AUTHORITY_MAGIC;
	a->queue.end = &a->queue.first;
	a->outside.end = &a->outside.first;
	a->url = strdup(url);
	if (!a->url) {
		free(a);
		return NULL;
	}
	a->next = authorities;
	authorities = a;
	return a;
}

static void authority_destroy(struct authority *a)
{
	struct authority **at = &authorities;

	assert(a->magic == AUTHORITY_MAGIC && a->queue.n + a->outside.n + a->n_turns == 0);
	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->magic = 0;
	sk_X509_pop_free(a->roots, X509_free);
	http_pool_release(a->pool);
	free(a->url);
	free(a);
}

int authority_join(struct member *m, const struct hc_host *host, hc_ctx *ctx, const char *url)
{
	struct authority *a = authorities;

	while (a && strcmp(a->url, url) != 0)
		a = a->next;
	if (!a)
		a = authority_create(url);
	if (!a)
		return -ENOMEM;
	m->host = host;
	m->ctx = ctx;
	m->authority = a;
	m->next = a->members;
	a->members = m;
	return 0;
}

void authority_leave(struct member *m)
{
	struct authority *a = m->authority;
	struct member **at;

	if (!a)
		return;
	authority_give_turn(m);
	for (at = &a->members; *at != m; at = &(*at)->next)
		;
	*at = m->next;
	lookout_leave(m);
	m->authority = NULL;
	if (!a->members)
		authority_destroy(a);
}

/* -- queues ----------------------------------------------------------------------------------- */

static void queue_push(struct turn_queue *q, struct member *m)
{
	*q->end = m;
	q->end = &m->queue_next;
	q->n++;
}

static void queue_remove(struct turn_queue *q, struct member *m)
{
	struct member **at = &q->first;

	while (*at != m)
		at = &(*at)->queue_next;
	*at = m->queue_next;
	if (q->end == &m->queue_next)
		q->end = at;
	m->queue_next = NULL;
	q->n--;
}

/* -- turns ------------------------------------------------------------------------------------ */

static void on_call(void *data)
{
	struct member *m = data;

	m->host->timer_remove(m->call);
	m->call = NULL;
	m->turn = TURN_TAKEN;
	m->begin(m->data);
}

/* Each is called on the loop, in its own name, not inside the call of whoever made room. */
static void call_next(struct authority *a)
{
	while (a->queue.first && a->n_turns < a->queue.first->limit) {
		struct member *m = a->queue.first;

		queue_remove(&a->queue, m);
		a->n_turns++;
		m->turn = TURN_CALLED;
		m->call = m->host->timer_add(m->ctx, 0, on_call, m);
		if (!m->call)
			return on_call(m);
	}
}

/* Nobody has or awaits a turn: connections that are open now would only grow old. */
static void rest(struct authority *a)
{
	if (a->n_turns > 0 || a->queue.first || a->outside.first)
		return;
	http_pool_release(a->pool);
	a->pool = NULL;
}

static void let_one_in(struct authority *a)
{
	struct member *m = a->outside.first;

	if (!m || a->queue.n >= QUEUE_MAX)
		return;
	queue_remove(&a->outside, m);
	m->turn = TURN_NONE;
	m->host->request(m->ctx);
}

void authority_take_turn(struct member *m, uint32_t limit, void (*begin)(void *data), void *data)
{
	struct authority *a = m->authority;

	if (m->turn == TURN_OUTSIDE)
		authority_give_turn(m);
	assert(a->magic == AUTHORITY_MAGIC && m->turn == TURN_NONE);
	m->begin = begin;
	m->data = data;
	m->limit = limit;
	if (!a->queue.first && a->n_turns < limit) {
		a->n_turns++;
		m->turn = TURN_TAKEN;
		return begin(data);
	}
	m->turn = TURN_QUEUED;
	queue_push(&a->queue, m);
}

void authority_give_turn(struct member *m)
{
	struct authority *a = m->authority;
	enum turn turn = m->turn;

	if (a->trial == m)
		a->trial = NULL;
	if (turn == TURN_NONE)
		return;
	m->turn = TURN_NONE;
	m->host->timer_remove(m->call);
	m->call = NULL;
	if (turn == TURN_OUTSIDE)
		return queue_remove(&a->outside, m);
	if (turn == TURN_QUEUED)
		queue_remove(&a->queue, m);
	else
		a->n_turns--;
	call_next(a);
	rest(a);
	let_one_in(a);
}

bool authority_is_crowded(const struct member *m)
{
	return m->turn == TURN_NONE && m->authority->queue.n >= QUEUE_MAX;
}

void authority_wait_outside(struct member *m)
{
	m->turn = TURN_OUTSIDE;
	queue_push(&m->authority->outside, m);
}

/* -- trust --------------------------------------------------------------------------------------
 */

const STACK_OF(X509) * authority_trust(const struct member *m, const uint8_t anchor[static 32])
{
	const struct authority *a = m->authority;

	return memcmp(a->anchor, anchor, sizeof(a->anchor)) == 0 ? a->roots : NULL;
}

void authority_tell_trust(struct member *m, const uint8_t anchor[static 32],
			  const STACK_OF(X509) * roots)
{
	struct authority *a = m->authority;

	sk_X509_pop_free(a->roots, X509_free);
	a->roots = X509_chain_up_ref((STACK_OF(X509) *)roots);
	memcpy(a->anchor, anchor, sizeof(a->anchor));
}

struct http_pool *authority_pool(struct member *m, const uint8_t roots[static 32])
{
	struct authority *a = m->authority;

	if (a->pool && memcmp(a->pool_roots, roots, sizeof(a->pool_roots)) == 0)
		return a->pool;
	http_pool_release(a->pool);
	a->pool = http_pool_create();
	memcpy(a->pool_roots, roots, sizeof(a->pool_roots));
	return a->pool;
}
