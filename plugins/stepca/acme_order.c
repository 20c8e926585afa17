/*
 * The order (RFC 8555 section 7.4): made or taken up again, finalized, its certificate fetched
 */
#include "common/json.h"
#include "common/mem.h"
#include "stepca/acme_core.h"
#include "stepca/b64.h"

#include <errno.h>
#include <string.h>

static void order_advance(struct acme *acme);

static void take_order(struct acme *acme, const struct http_reply *reply)
{
	struct acme_order order;
	int r = acme_order_parse(reply, &order);

	if (r == 0 && acme->authz && order.n != acme->order.n) {
		acme_order_finish(&order);
		r = -EBADMSG;
	}
	if (r < 0)
		return acme_fail_reply(acme, r, reply);
	acme_order_finish(&acme->order);
	acme->order = order;
	acme->retry_after = reply->retry_after;
	order_advance(acme);
}

/* So that whatever ends us, the next task takes it up again. */
static void order_remember(struct acme *acme)
{
	const struct stepca *ca = acme->task->ca;

	free(acme->saved.key);
	acme->saved.key = acme_key_digest(acme->task->key);
	if (!acme->saved.key || acme_order_save(ca, &acme->saved) < 0)
		ca->host->log(ca->ctx, HC_LOG_WARNING,
			      "cannot keep the order in the state; after a restart there will be "
			      "another");
}

/* -- a new one ------------------------------------------------------------------------------- */

static void on_ordered(struct acme *acme, const struct http_reply *reply)
{
	if (strncmp(reply->location, "https://", 8) != 0)
		return acme_fail_reply(acme, -EBADMSG, reply);
	acme->saved.url = strdup(reply->location);
	if (!acme->saved.url)
		return task_fail_errno(acme->task, -ENOMEM, "cannot order a certificate");
	order_remember(acme);
	take_order(acme, reply);
}

static void order_new(struct acme *acme)
{
	const struct stepca *ca = acme->task->ca;
	int64_t lifetime = ca->options.lifetime;
	json_t *body = acme_order_request(ca->options.names,
					  lifetime ? ca->host->now_wall() + lifetime : 0);

	if (!body)
		return task_fail_errno(acme->task, -ENOMEM, "cannot order a certificate");
	acme->resumed = false;
	acme_saved_finish(&acme->saved);
	acme_post(acme, acme->directory.new_order, body, on_ordered, NULL);
}

/* -- one from before ------------------------------------------------------------------------- */

/* Past finalizing, a certificate is for the key it was finalized with. */
static bool still_useful(const struct acme *acme, const struct acme_order *order)
{
	cleanup_free char *key = acme_key_digest(acme->task->key);

	if (order->status == ACME_PENDING || order->status == ACME_READY)
		return true;
	return order->status != ACME_INVALID && !acme->task->key_new && key &&
	       strcmp(key, acme->saved.key) == 0;
}

static void on_resumed(struct acme *acme, const struct http_reply *reply)
{
	const struct stepca *ca = acme->task->ca;
	struct acme_order order = {0};
	bool useful = acme_order_is_for(reply, ca->options.names) &&
		      acme_order_parse(reply, &order) == 0 && still_useful(acme, &order);

	acme_order_finish(&order);
	if (!useful)
		return order_new(acme);
	ca->host->log(ca->ctx, HC_LOG_INFO, "taking up the order %s again", acme->saved.url);
	take_order(acme, reply);
}

void acme_order_begin(struct acme *acme)
{
	int r;

	acme_saved_finish(&acme->saved);
	r = acme_order_load(acme->task->ca, &acme->saved);
	if (r < 0)
		return order_new(acme);
	acme->resumed = true;
	acme_post(acme, acme->saved.url, NULL, on_resumed, order_new);
}

/* -- the certificate ------------------------------------------------------------------------- */

/* True where the certificate of an order that was taken up is in place already. */
static bool in_place(const struct acme *acme, const STACK_OF(X509) * chain)
{
	X509 *leaf = pair_leaf(&acme->task->pair);

	return leaf && X509_cmp(leaf, sk_X509_value(chain, 0)) == 0;
}

/* RFC 8555 section 9.1: PEM, the leaf first. */
static void on_certificate(struct acme *acme, const struct http_reply *reply)
{
	cleanup_certs STACK_OF(X509) *chain = NULL;
	int n = pem_parse_certs(reply->body, reply->len, &chain);
	char how[64];

	if (n <= 0)
		return acme_fail_reply(acme, n == -ENOMEM ? n : -EBADMSG, reply);
	/* One that was fetched again may be old: it gets no third chance. */
	if (acme->resumed)
		acme_order_forget(acme->task->ca);
	if (acme->resumed && in_place(acme, chain))
		return order_new(acme);
	snprintf(how, sizeof(how), "issued over ACME (%s)", acme->options->challenge_name);
	publish_chain(acme->task, chain, how);
}

/* -- from status to status ------------------------------------------------------------------- */

static void order_poll(struct acme *acme)
{
	acme_post(acme, acme->saved.url, NULL, take_order, NULL);
}

static void on_finalize_refused(struct acme *acme)
{
	acme_order_forget(acme->task->ca);
	task_fail(acme->task, CA_REFUSED, 0);
}

static void on_finalized(struct acme *acme, const struct http_reply *reply)
{
	acme->finalized = true;
	take_order(acme, reply);
}

static void finalize(struct acme *acme)
{
	unsigned char *der = NULL;
	int len = i2d_X509_REQ(acme->task->csr, &der);
	cleanup_free char *csr = len > 0 ? b64url_encode(der, (size_t)len) : NULL;

	OPENSSL_free(der);
	if (!csr)
		return task_fail_errno(acme->task, -ENOMEM, "cannot order a certificate");
	order_remember(acme);
	acme_post(acme, acme->order.finalize, json_pack("{ss}", "csr", csr), on_finalized,
		  on_finalize_refused);
}

static void order_invalid(struct acme *acme)
{
	acme_order_forget(acme->task->ca);
	if (*acme->order.error)
		task_say(acme->task, "the CA has ended the order: %s; trying again with another",
			 acme->order.error);
	else
		task_say(acme->task, "the CA has ended the order %s; trying again with another",
			 acme->saved.url);
	task_fail(acme->task, CA_DENIED, 0);
}

/* Section 7.1.6. What is already done and does not show yet is waited for. */
static void order_advance(struct acme *acme)
{
	enum acme_status status = acme->order.status;

	if (status == ACME_INVALID)
		return order_invalid(acme);
	if (status == ACME_VALID)
		return acme_post(acme, acme->order.certificate, NULL, on_certificate, NULL);
	if (status == ACME_READY && !acme->finalized)
		return finalize(acme);
	if (status == ACME_PENDING && !acme->authorized)
		return acme_authz_begin(acme);
	acme_wait(acme, acme->retry_after, order_poll);
}

void acme_order_authorized(struct acme *acme)
{
	acme->authorized = true;
	acme->waits = 0;
	order_poll(acme);
}
