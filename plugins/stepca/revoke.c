/*
 * Revocation by hand: the CA is told not to renew the certificate any more, and a new one with a
 * new key takes its place
 *
 * Over mTLS with the certificate itself; where that is not accepted, by a one-time token. Passive:
 * who already has the certificate can use it until it expires, unless they look at the CA's CRL.
 */
#include "common/mem.h"
#include "stepca/chain.h"
#include "stepca/ott.h"
#include "stepca/secret.h"

#include <errno.h>
#include <openssl/bn.h>
#include <string.h>

bool stepca_revoked(const struct stepca *ca, const char *serial)
{
	char last[65];
	int64_t len = ca->host->state_get(ca->ctx, "revoked", last, sizeof(last) - 1);

	if (len <= 0 || (size_t)len >= sizeof(last))
		return false;
	last[len] = '\0';
	return strcmp(serial + strspn(serial, "0"), last + strspn(last, "0")) == 0;
}

/* Survives a crash: what is revoked is replaced in any case, and its key with it. */
static void revoked(struct task *task)
{
	struct stepca *ca = task->ca;
	char serial[65];
	int r;

	chain_serial(pair_leaf(&task->pair), serial, sizeof(serial));
	r = ca->host->state_set(ca->ctx, "revoked", serial, strlen(serial));
	if (r < 0)
		return task_fail_errno(
			task, r, "%s is revoked, but that cannot be kept in the state", serial);
	ca->host->log(ca->ctx, HC_LOG_NOTICE, "revoked serial %s", serial);
	task->revoked = true;
	enrol_begin(task);
}

/* A second revocation is refused with 400: what was wanted is so. */
static bool done_already(const struct http_reply *reply)
{
	return reply->status == 400 && strstr(reply->body, "already") != NULL;
}

static void on_revoked_by_token(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	enum ca_verdict verdict = task_judge(task, reply);

	if (verdict == CA_DONE || done_already(reply))
		return revoked(task);
	if (verdict == CA_DENIED)
		ott_explain_denial(task);
	task_fail(task, verdict, reply->retry_after);
}

/* The serial number in decimal, as /revoke wants it. Free with OPENSSL_free(). */
static char *decimal_serial(X509 *leaf)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
	char *text = number ? BN_bn2dec(number) : NULL;

	BN_free(number);
	return text;
}

static void ask(struct task *task, struct http *http, const char *token, http_fn fn)
{
	char *serial = decimal_serial(pair_leaf(&task->pair));
	cleanup_secret char *body = serial ? ca_revoke_request(serial, task->reason, token) : NULL;

	OPENSSL_free(serial);
	if (!body)
		return task_fail_errno(task, -ENOMEM, "cannot revoke");
	task_send(task, http, "/1.0/revoke", body, NULL, fn);
}

static void revoke_with_token(struct task *task, const char *token)
{
	ask(task, task->verified, token, on_revoked_by_token);
}

static void revoke_by_token(struct task *task)
{
	char *serial = decimal_serial(pair_leaf(&task->pair));

	if (!serial)
		return task_fail_errno(task, -ENOMEM, "cannot revoke");
	ott_get(task, "/1.0/revoke", serial, revoke_with_token);
	OPENSSL_free(serial);
}

static void on_revoked(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	enum ca_verdict verdict = task_judge(task, reply);

	if (verdict == CA_DONE || done_already(reply))
		return revoked(task);
	if (verdict == CA_RETRY && reply->result != HTTP_REFUSED_US)
		return task_fail(task, verdict, reply->retry_after);
	task_note_failure(task);
	revoke_by_token(task);
}

void revoke_begin(struct task *task)
{
	X509 *leaf = pair_leaf(&task->pair);

	if (!leaf) {
		task_say(task, "there is no certificate in %s to revoke", task->ca->store.cert);
		return task_fail(task, CA_REFUSED, 0);
	}
	if (!task->ca->options.mtls || !task->pair.key ||
	    X509_check_private_key(leaf, task->pair.key) != 1)
		return revoke_by_token(task);
	task->mutual = task_client(task, true);
	if (!task->mutual)
		return task_fail_errno(task, -ENOMEM, "cannot revoke");
	ask(task, task->mutual, NULL, on_revoked);
}
