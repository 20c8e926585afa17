/*
 * stepca/acme_core - one order under way, and how its parts (acme_*.c) ask the server
 *
 * The parts call each other in this order, each beginning the next when it is through:
 * acme.c (directory) -> acme_account.c -> acme_order.c -> acme_authz.c -> acme_order.c. Each may
 * end the task instead: nothing may touch the order then.
 */
#ifndef HC_STEPCA_ACME_CORE_H
#define HC_STEPCA_ACME_CORE_H

#include "stepca/acme.h"
#include "stepca/acme_hook.h"
#include "stepca/acme_listen.h"
#include "stepca/acme_object.h"
#include "stepca/acme_state.h"
#include "stepca/task.h"

#include <assert.h>

#define ACME_MAGIC 0x61636d65U

/* Gets a reply that acme_judge() found good. */
typedef void (*acme_fn)(struct acme *acme, const struct http_reply *reply);

/* Gets one that it did not, with task->why; not called where all that helps is another try. */
typedef void (*acme_refused_fn)(struct acme *acme);

/* The request under way: there is one at a time, for each needs the nonce of the one before. */
struct acme_call {
	char *url;
	char *payload;	/* "" asks for what is there (POST-as-GET) */
	bool by_key;	/* the header carries the account's key: it has no URL yet */
	unsigned tries; /* that ended in badNonce */
	acme_fn fn;
	acme_refused_fn refused; /* NULL: the task fails */
};

struct acme {
	uint32_t magic;
	struct task *task;
	const struct acme_options *options;
	struct acme_directory directory;
	struct acme_account account;
	char *thumbprint;	   /* of the account's key */
	char trouble[CA_WHY_SIZE]; /* what acme_account_ask() was called for */
	bool account_asked;	   /* acme_account_ask() */
	bool account_made;	   /* in this order: a server that forgets it at once is no good */
	struct acme_saved saved;   /* the order */
	bool resumed;		   /* it was begun by an earlier task */
	struct acme_order order;
	bool authorized;	  /* all its authorizations are valid */
	bool finalized;		  /* our request was sent */
	struct acme_authz *authz; /* order.n of them */
	size_t at;		  /* the one that is worked at */
	unsigned tries;		  /* of its challenge */
	struct acme_guest *guest; /* at our listener */
	struct acme_hook *hook;	  /* putting up a record */
	char *nonce;
	struct acme_call call;
	hc_timer *timer;
	void (*after)(struct acme *acme);
	void (*checked)(struct task *task); /* acme_check() */
	unsigned waits;			    /* in a row */
	int64_t retry_after;		    /* of the last reply about the order */
};

/* -- asking: acme_request.c ------------------------------------------------------------------ */

/* GET, unsigned. */
void acme_get(struct acme *acme, const char *url, acme_fn fn);

/* POST signed by the account, or by its key alone. payload NULL: POST-as-GET; it is taken over. */
void acme_post(struct acme *acme, const char *url, json_t *payload, acme_fn fn,
	       acme_refused_fn refused);
void acme_post_by_key(struct acme *acme, const char *url, json_t *payload, acme_fn fn);

/* A compact JWS as the flattened JSON of RFC 7515 section 7.2.2. NULL: out of memory. */
json_t *acme_flatten(const char *jws);

/* Calls `after` later: when the CA says (Retry-After; 0: it does not), else after ever more time.
 */
void acme_wait(struct acme *acme, int64_t retry_after, void (*after)(struct acme *acme));
void acme_wait_ms(struct acme *acme, int64_t ms, void (*after)(struct acme *acme));

void acme_call_finish(struct acme *acme); /* frees what the last call has left */

/* A new one, as the task's. NULL: out of memory. */
struct acme *acme_create(struct task *task);

/* -- ends ------------------------------------------------------------------------------------ */

/* Ends the task for a reply that can't be read: error is -EBADMSG or another negative errno. */
void acme_fail_reply(struct acme *acme, int error, const struct http_reply *reply);

/* -- steps ----------------------------------------------------------------------------------- */

void acme_account_begin(struct acme *acme); /* ends in acme_order_begin() */
/*
 * After an answer that explains nothing: does the CA know the account at all? step-ca 0.19 says 500
 * where it does not. False: that was asked already.
 */
bool acme_account_ask(struct acme *acme);
void acme_account_lost(struct acme *acme); /* the CA does not know it: begins again, without */
void acme_order_begin(struct acme *acme);
void acme_authz_begin(struct acme *acme); /* ends in acme_order_authorized() */
void acme_order_authorized(struct acme *acme);

/* Puts up the proof for authz[at], then calls `then`. */
void acme_challenge_put_up(struct acme *acme, void (*then)(struct acme *acme));

/* Takes all down again: listeners at once, the rest in the background. */
void acme_challenge_take_down(struct acme *acme);

#endif
