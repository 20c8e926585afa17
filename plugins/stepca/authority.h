/*
 * stepca/authority - what all instances that ask one CA share: their turns, and whether it is there
 *
 * So that thousands of certificates on one host neither ask at the same time nor each find out for
 * itself that the CA is down: one of them looks out for it, and wakes the others when it is back.
 */
#ifndef HC_STEPCA_AUTHORITY_H
#define HC_STEPCA_AUTHORITY_H

#include <hotcert/plugin.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

struct authority;
struct http;
struct http_pool;

enum turn {
	TURN_NONE,
	TURN_QUEUED,
	TURN_CALLED,
	TURN_TAKEN,
	TURN_OUTSIDE, /* of the queue: until it is short */
};

/* An instance's part in it. */
struct member {
	const struct hc_host *host;
	hc_ctx *ctx;
	struct authority *authority;
	struct member *next;

	enum turn turn;
	struct member *queue_next;
	uint32_t limit; /* how many turns at once it accepts */
	void (*begin)(void *data);
	void *data;
	hc_timer *call;

	bool waiting;	   /* wants to hear that the CA is back */
	hc_timer *look;	   /* of the lookout: when it looks next */
	struct http *http; /* with what it looks */
};

/* Begins and ends being one of those who ask the CA at url. -ENOMEM. leave takes a zeroed one. */
int authority_join(struct member *m, const struct hc_host *host, hc_ctx *ctx, const char *url);
void authority_leave(struct member *m);

/*
 * Calls begin(data) once fewer than `limit` of all members have their turn, in the order in which
 * they asked: now, or later on the loop. The turn ends with authority_give_turn(), which may come
 * before it has begun.
 */
void authority_take_turn(struct member *m, uint32_t limit, void (*begin)(void *data), void *data);
void authority_give_turn(struct member *m);

/*
 * True where so many wait in the queue that this one should wait outside, without a job: with
 * authority_wait_outside(), which has host->request() called once the queue is short.
 */
bool authority_is_crowded(const struct member *m);
void authority_wait_outside(struct member *m);

/* -- lookout.c ----------------------------------------------------------------------------------
 */

/* Why the CA is not there, as far as anybody knows; NULL: it may be. */
const char *authority_away(const struct member *m);

/* Whether this member may ask it: always while it is there, else one at a time, for its turn. */
bool authority_may_ask(struct member *m);

/*
 * Wants host->request() once the CA is there again. why: what this member saw itself, or NULL.
 * Somebody looks after a second, then ever more rarely, but at least once in 30 s.
 */
void authority_await(struct member *m, const char *why);

/* The CA has served this member: it is there. */
void authority_served(struct member *m);

/* -- what members with the same anchor have found out about the CA's roots ------------------ */

/* What is trusted on this anchor, still owned by the authority; NULL: nobody has told yet. */
const STACK_OF(X509) * authority_trust(const struct member *m, const uint8_t anchor[static 32]);

/*
 * Connections to the CA for all who trust it by the roots with this digest, kept while anybody has
 * or awaits a turn. Still owned by the authority. NULL: no memory, use your own.
 */
struct http_pool *authority_pool(struct member *m, const uint8_t roots[static 32]);

/* Tells the others; a copy is kept. Where there is no memory for it, they find out themselves. */
void authority_tell_trust(struct member *m, const uint8_t anchor[static 32],
			  const STACK_OF(X509) * roots);

/* -- between the two ------------------------------------------------------------------------------
 */

struct turn_queue {
	struct member *first;
	struct member **end;
	uint32_t n;
};

struct authority {
	uint32_t magic;
	struct authority *next;
	char *url;
	struct member *members;
	uint32_t n_turns; /* called or taken */
	struct turn_queue queue;
	struct turn_queue outside;

	STACK_OF(X509) * roots; /* trusted on this anchor; NULL: not told */
	uint8_t anchor[32];
	struct http_pool *pool; /* of connections verified by the roots with this digest */
	uint8_t pool_roots[32];

	char why[1024];		/* "" while it is there */
	struct member *trial;	/* who asks all the same */
	struct member *lookout; /* who looks; NULL: nobody does */
	int64_t delay;		/* before the next look */
	int64_t first_delay;	/* with which a row of looks begins */
	int64_t looked_at;	/* monotonic */
};

/* A member goes: another one looks out in its place. */
void lookout_leave(struct member *m);

#endif
