/*
 * The lookout: one member asks the CA that is away for its health, so that the others need not
 */
#include "common/http.h"
#include "common/mem.h"
#include "stepca/authority.h"

#include <assert.h>
#include <openssl/rand.h>

/* Milliseconds. */
enum {
	LOOK_FIRST = 1000,
	LOOK_LAST = 30000,
	LOOK_APART = 5000,	 /* at least, when somebody is in a hurry */
	LOOK_DOUBTFUL = 3600000, /* at most, where looks go well and requests do not */
	LOOK_TIMEOUT = 15000,
};

static void look_later(struct member *m);

/* A quarter off at random: hosts that lost their CA together do not come back together. */
static int64_t jittered(int64_t delay)
{
	uint16_t random = 0;

	RAND_bytes((unsigned char *)&random, sizeof(random));
	return delay - delay / 4 * random / 65536;
}

static void stop_looking(struct member *m)
{
	m->host->timer_remove(m->look);
	m->look = NULL;
	http_destroy(m->http);
	m->http = NULL;
	if (m->authority->lookout == m)
		m->authority->lookout = NULL;
}

/* It is there: who waits may try. */
static void found(struct authority *a)
{
	a->why[0] = '\0';
	if (a->lookout)
		stop_looking(a->lookout);
	for (struct member *m = a->members; m; m = m->next) {
		if (!m->waiting)
			continue;
		m->waiting = false;
		m->host->request(m->ctx);
	}
}

/* An ACME server knows no /health: whoever answers without being in trouble is there. */
static bool is_well(const struct http_reply *reply)
{
	return reply->result == HTTP_DONE && reply->status < 500;
}

static void on_health(void *data, const struct http_reply *reply)
{
	struct member *m = data;
	struct authority *a = m->authority;

	assert(a->lookout == m);
	http_destroy(m->http);
	m->http = NULL;
	if (is_well(reply)) {
		m->host->log(m->ctx, HC_LOG_DEBUG, "%s answers again", a->url);
		return found(a);
	}
	a->first_delay = LOOK_FIRST; /* no doubt: it is away */
	a->delay = a->delay * 2 < LOOK_LAST ? a->delay * 2 : LOOK_LAST;
	look_later(m);
}

/* Unverified: what comes back is a hint and no more, and the trust to verify it may be missing. */
static void look(void *data)
{
	struct member *m = data;
	struct authority *a = m->authority;
	struct http_tls nobody = {0};
	cleanup_free char *url = NULL;
	struct http_query query = {.timeout_ms = LOOK_TIMEOUT};

	a->looked_at = m->host->now_mono();
	m->host->log(m->ctx, HC_LOG_DEBUG, "looks whether %s is there", a->url);
	if (asprintf(&url, "%s/health", a->url) < 0)
		url = NULL;
	query.url = url;
	if (url && http_create(m->host, m->ctx, &nobody, &m->http) == 0 &&
	    http_send(m->http, &query, on_health, m) == 0)
		return;
	http_destroy(m->http);
	m->http = NULL;
	look_later(m);
}

static void look_in(struct member *m, int64_t delay)
{
	if (m->look)
		m->host->timer_set(m->look, delay);
	else
		m->look = m->host->timer_add(m->ctx, delay, look, m);
}

static void look_later(struct member *m)
{
	look_in(m, jittered(m->authority->delay));
}

static void look_out(struct member *m)
{
	m->authority->lookout = m;
	look_later(m);
}

/* Where it was found and then lost again, the looks say too much: they must come more rarely. */
static void begin_row(struct authority *a)
{
	if (a->first_delay < LOOK_FIRST)
		a->first_delay = LOOK_FIRST;
	a->delay = a->first_delay;
	a->first_delay *= 2;
	if (a->first_delay > LOOK_DOUBTFUL)
		a->first_delay = LOOK_DOUBTFUL;
}

const char *authority_away(const struct member *m)
{
	return *m->authority->why ? m->authority->why : NULL;
}

bool authority_may_ask(struct member *m)
{
	struct authority *a = m->authority;

	if (!*a->why)
		return true;
	if (!a->trial)
		a->trial = m;
	return a->trial == m;
}

void authority_await(struct member *m, const char *why)
{
	struct authority *a = m->authority;

	m->waiting = true;
	if (why)
		snprintf(a->why, sizeof(a->why), "%s", why);
	if (!a->lookout) {
		begin_row(a);
		return look_out(m);
	}
	if (!a->lookout->http && m->host->now_mono() - a->looked_at > LOOK_APART)
		look_in(a->lookout, 0);
}

void authority_served(struct member *m)
{
	struct authority *a = m->authority;

	m->waiting = false;
	a->first_delay = LOOK_FIRST;
	if (*a->why)
		found(a);
}

void lookout_leave(struct member *m)
{
	struct authority *a = m->authority;
	struct member *next = a->members;

	if (a->lookout != m)
		return;
	stop_looking(m);
	while (next && !next->waiting)
		next = next->next;
	if (next)
		look_out(next);
	else
		a->why[0] = '\0';
}
