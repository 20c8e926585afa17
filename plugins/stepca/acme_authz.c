/*
 * Authorizations (RFC 8555 section 7.5): the proofs are put up for all names first, then the CA is
 * told of each, then it is asked until each name is ours
 */
#include "common/mem.h"
#include "stepca/acme_core.h"

#include <errno.h>
#include <string.h>

enum { TRIES_MAX = 6 }; /* of a challenge that fails but stays pending, as step-ca has it */

static const char *const advice[] = {
	[ACME_HTTP_01] = "the CA must reach port 80 of this name, and get the answer there",
	[ACME_TLS_ALPN_01] = "the CA must reach port 443 of this name, and get our answer there",
	[ACME_DNS_01] = "the CA must see the record in the DNS; a longer dns_delay may help",
};

static struct acme_authz *current(struct acme *acme)
{
	return &acme->authz[acme->at];
}

/* Ends the task: the name is not ours, as far as the CA can see. */
static void authz_fail(struct acme *acme)
{
	const struct acme_authz *z = current(acme);

	task_say(acme->task, "the CA could not verify %s (%s): %s; %s", z->name,
		 acme->options->challenge_name, z->failed ? z->problem.text : "it does not say why",
		 advice[acme->options->challenge]);
	if (z->status == ACME_INVALID || z->challenge == ACME_INVALID)
		acme_order_forget(acme->task->ca);
	task_fail(acme->task, CA_DENIED, 0);
}

/* Reads an authorization anew. False: the task is over. */
static bool take_authz(struct acme *acme, const struct http_reply *reply)
{
	struct acme_authz z;
	int r = acme_authz_parse(reply, acme->options->challenge_name, &z);

	if (r < 0) {
		acme_fail_reply(acme, r, reply);
		return false;
	}
	acme_authz_finish(current(acme));
	*current(acme) = z;
	return true;
}

/* Goes to the first that still needs work, from `at` on. False: there is none. */
static bool find_open(struct acme *acme)
{
	while (acme->at < acme->order.n && current(acme)->status == ACME_VALID)
		acme->at++;
	return acme->at < acme->order.n;
}

/* -- is it ours yet? ------------------------------------------------------------------------- */

static void look_next(struct acme *acme);
static void look(struct acme *acme);

static void on_told_again(struct acme *acme, const struct http_reply *reply)
{
	(void)reply;
	look(acme);
}

static void tell_again(struct acme *acme)
{
	acme_post(acme, current(acme)->url, json_object(), on_told_again, NULL);
}

static void on_polled(struct acme *acme, const struct http_reply *reply)
{
	const struct acme_authz *z;

	if (!take_authz(acme, reply))
		return;
	z = current(acme);
	if (z->status == ACME_VALID)
		return look_next(acme);
	if (z->status != ACME_PENDING || z->challenge == ACME_INVALID)
		return authz_fail(acme);
	/* It may not see our answer yet: then it is for us to ask for another look (8.2). */
	if (z->challenge == ACME_PENDING && z->failed) {
		if (++acme->tries >= TRIES_MAX)
			return authz_fail(acme);
		return acme_wait(acme, reply->retry_after, tell_again);
	}
	acme_wait(acme, reply->retry_after, look);
}

static void look(struct acme *acme)
{
	acme_post(acme, acme->order.authorizations[acme->at], NULL, on_polled, NULL);
}

static void look_next(struct acme *acme)
{
	acme->tries = 0;
	acme->waits = 0;
	if (find_open(acme))
		return look(acme);
	acme_challenge_take_down(acme);
	acme_order_authorized(acme);
}

/* -- the CA may look now --------------------------------------------------------------------- */

static void tell_next(struct acme *acme);

static void on_told(struct acme *acme, const struct http_reply *reply)
{
	(void)reply;
	acme->at++;
	tell_next(acme);
}

static void tell_next(struct acme *acme)
{
	while (find_open(acme) && current(acme)->challenge != ACME_PENDING)
		acme->at++; /* it was told before, in an order that is taken up again */
	if (acme->at < acme->order.n)
		return acme_post(acme, current(acme)->url, json_object(), on_told, NULL);
	acme->at = 0;
	look_next(acme);
}

static void tell(struct acme *acme)
{
	acme->at = 0;
	tell_next(acme);
}

/* -- the proofs ------------------------------------------------------------------------------ */

static void fetch_next(struct acme *acme);

static void on_put_up(struct acme *acme)
{
	acme->at++;
	fetch_next(acme);
}

static void on_fetched(struct acme *acme, const struct http_reply *reply)
{
	const struct acme_authz *z;

	if (!take_authz(acme, reply))
		return;
	z = current(acme);
	if (z->status == ACME_VALID)
		return on_put_up(acme);
	if (z->status != ACME_PENDING || (z->url && z->challenge == ACME_INVALID))
		return authz_fail(acme);
	if (!z->url) {
		task_say(
			acme->task,
			"the CA does not verify %s by %s, only by %s; choose another challenge, or "
			"let the CA's provisioner allow it",
			z->name, acme->options->challenge_name,
			*z->offered ? z->offered : "none at all");
		return task_fail(acme->task, CA_REFUSED, 0);
	}
	acme_challenge_put_up(acme, on_put_up);
}

static void fetch_next(struct acme *acme)
{
	if (acme->at < acme->order.n)
		return acme_post(acme, acme->order.authorizations[acme->at], NULL, on_fetched,
				 NULL);
	if (acme->options->challenge == ACME_DNS_01 && acme->options->dns_delay > 0)
		return acme_wait_ms(acme, acme->options->dns_delay, tell);
	tell(acme);
}

void acme_authz_begin(struct acme *acme)
{
	acme->authz = calloc(acme->order.n, sizeof(*acme->authz));
	acme->at = 0;
	if (!acme->authz)
		return task_fail_errno(acme->task, -ENOMEM, "cannot order a certificate");
	fetch_next(acme);
}
