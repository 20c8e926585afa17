/*
 * How a server is asked: signed requests with a nonce each (RFC 8555 sections 6.2 to 6.5)
 */
#include "common/json.h"
#include "common/mem.h"
#include "stepca/acme_core.h"
#include "stepca/jwk.h"
#include "stepca/jws.h"

#include <errno.h>
#include <string.h>

enum {
	NONCE_TRIES = 10,
	WAIT_FIRST_MS = 250,
	WAIT_LONGEST_MS = 5000,
	WAIT_ASKED_MS = 60000, /* the longest wait that a reply may ask for */
};

static void call_clear(struct acme_call *call)
{
	free(call->url);
	free(call->payload);
	*call = (struct acme_call){0};
}

void acme_call_finish(struct acme *acme)
{
	call_clear(&acme->call);
}

static void ask(struct acme *acme, const char *method, const struct http_query *query, http_fn fn)
{
	struct task *task = acme->task;
	int r;

	snprintf(task->what, sizeof(task->what), "%s %s", method, query->url);
	r = http_send(task->verified, query, fn, acme);
	if (r < 0)
		task_fail_errno(task, r, "%s", task->what);
}

static void send_get(struct acme *acme, const char *url, http_fn fn)
{
	struct http_query query = {
		.url = url,
		.timeout_ms = acme->task->ca->options.request_timeout,
	};

	ask(acme, "GET", &query, fn);
}

/* Section 6.5.1: base64url. What is anything else would break the header it goes into. */
static void keep_nonce(struct acme *acme, const struct http_reply *reply)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	if (!*reply->nonce || strspn(reply->nonce, digits) != strlen(reply->nonce))
		return;
	free(acme->nonce);
	acme->nonce = strdup(reply->nonce);
}

static enum ca_verdict judge(struct acme *acme, const struct http_reply *reply,
			     enum acme_error *ret_error)
{
	struct task *task = acme->task;

	assert(acme->magic == ACME_MAGIC);
	return acme_judge(reply, task->what, task->ca->host->now_wall(), ret_error, task->why);
}

/* -- unsigned -------------------------------------------------------------------------------- */

static void on_got(void *data, const struct http_reply *reply)
{
	struct acme *acme = data;
	acme_fn fn = acme->call.fn;
	enum acme_error error;
	enum ca_verdict verdict = judge(acme, reply, &error);

	if (verdict != CA_DONE)
		return task_fail(acme->task, verdict, reply->retry_after);
	fn(acme, reply);
}

void acme_get(struct acme *acme, const char *url, acme_fn fn)
{
	call_clear(&acme->call);
	acme->call.fn = fn;
	send_get(acme, url, on_got);
}

/* -- signed ---------------------------------------------------------------------------------- */

static void send_signed(struct acme *acme);

static void on_nonce(void *data, const struct http_reply *reply)
{
	struct acme *acme = data;
	enum acme_error error;
	enum ca_verdict verdict = judge(acme, reply, &error);

	if (verdict != CA_DONE)
		return task_fail(acme->task, verdict, reply->retry_after);
	keep_nonce(acme, reply);
	if (!acme->nonce)
		return acme_fail_reply(acme, -EBADMSG, reply);
	send_signed(acme);
}

static void on_signed(void *data, const struct http_reply *reply)
{
	struct acme *acme = data;
	struct acme_call *call = &acme->call;
	enum acme_error error;
	enum ca_verdict verdict = judge(acme, reply, &error);

	keep_nonce(acme, reply);
	if (verdict == CA_DONE)
		return call->fn(acme, reply);
	if (error == ACME_ERROR_BAD_NONCE && ++call->tries < NONCE_TRIES)
		return send_signed(acme);
	if (error == ACME_ERROR_NO_ACCOUNT && !acme->account_made)
		return acme_account_lost(acme);
	if (reply->status >= 500 && error == ACME_ERROR_NONE && acme_account_ask(acme))
		return;
	if (call->refused && verdict != CA_RETRY)
		return call->refused(acme);
	task_fail(acme->task, verdict, reply->retry_after);
}

json_t *acme_flatten(const char *jws)
{
	const char *payload = strchr(jws, '.') + 1, *signature = strchr(payload, '.') + 1;

	return json_pack("{ss% ss% ss}", "protected", jws, (size_t)(payload - jws - 1), "payload",
			 payload, (size_t)(signature - payload - 1), "signature", signature);
}

/* The protected header: the nonce goes into it, and is used up. */
static json_t *header_of(struct acme *acme)
{
	cleanup_free char *nonce = steal(&acme->nonce);
	json_t *header =
		json_pack("{ss ss ss}", "alg", "ES256", "nonce", nonce, "url", acme->call.url);
	json_t *who = acme->call.by_key ? jwk_public_p256(acme->account.key)
					: json_string(acme->account.url);

	if (json_object_set_new(header, acme->call.by_key ? "jwk" : "kid", who) == 0)
		return header;
	json_decref(header);
	return NULL;
}

/* The body of a signed request. NULL: out of memory. Free with free(3). */
static char *sign_call(struct acme *acme)
{
	cleanup_json json_t *header = header_of(acme), *flat = NULL;
	cleanup_free char *jws = NULL;

	if (!header || jws_sign_text(acme->account.key, header, acme->call.payload, &jws) < 0)
		return NULL;
	flat = acme_flatten(jws);
	return flat ? json_dumps(flat, JSON_COMPACT) : NULL;
}

static void send_signed(struct acme *acme)
{
	struct http_query query = {
		.type = "application/jose+json",
		.timeout_ms = acme->task->ca->options.request_timeout,
	};
	cleanup_free char *body = NULL;

	if (!acme->nonce)
		return send_get(acme, acme->directory.new_nonce, on_nonce);
	body = sign_call(acme);
	if (!body)
		return task_fail_errno(acme->task, -ENOMEM, "cannot ask the CA");
	query.url = acme->call.url;
	query.post = body;
	ask(acme, "POST", &query, on_signed);
}

static void call(struct acme *acme, const struct acme_call *how, const char *url, json_t *payload)
{
	/* The new call's URL may be of the old one's making. */
	char *copy = strdup(url);
	char *text = payload ? json_dumps(payload, JSON_COMPACT) : strdup("");

	json_decref(payload);
	call_clear(&acme->call);
	acme->call = *how;
	acme->call.url = copy;
	acme->call.payload = text;
	if (!copy || !text)
		return task_fail_errno(acme->task, -ENOMEM, "cannot ask the CA");
	send_signed(acme);
}

void acme_post(struct acme *acme, const char *url, json_t *payload, acme_fn fn,
	       acme_refused_fn refused)
{
	call(acme, &(struct acme_call){.fn = fn, .refused = refused}, url, payload);
}

void acme_post_by_key(struct acme *acme, const char *url, json_t *payload, acme_fn fn)
{
	call(acme, &(struct acme_call){.fn = fn, .by_key = true}, url, payload);
}

/* -- waiting --------------------------------------------------------------------------------- */

static void on_timer(void *data)
{
	struct acme *acme = data;
	void (*after)(struct acme *) = acme->after;

	assert(acme->magic == ACME_MAGIC);
	acme->task->ca->host->timer_remove(acme->timer);
	acme->timer = NULL;
	after(acme);
}

void acme_wait_ms(struct acme *acme, int64_t ms, void (*after)(struct acme *acme))
{
	const struct stepca *ca = acme->task->ca;

	acme->after = after;
	acme->timer = ca->host->timer_add(ca->ctx, ms, on_timer, acme);
	if (!acme->timer)
		task_fail_errno(acme->task, -ENOMEM, "cannot wait for the CA");
}

void acme_wait(struct acme *acme, int64_t retry_after, void (*after)(struct acme *acme))
{
	int64_t ms = WAIT_FIRST_MS << (acme->waits < 5 ? acme->waits : 5);

	acme->waits++;
	if (ms > WAIT_LONGEST_MS)
		ms = WAIT_LONGEST_MS;
	if (retry_after > 0)
		ms = retry_after < WAIT_ASKED_MS ? retry_after : WAIT_ASKED_MS;
	acme_wait_ms(acme, ms, after);
}
