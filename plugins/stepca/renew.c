/*
 * Renewal: a new certificate by means of the one we have
 *
 * Over mTLS; with mtls = no, or where TLS does not take the certificate, by a token signed with its
 * key, which works for expired ones and through proxies too; where the CA renews neither way, by a
 * fresh enrolment.
 */
#include "common/mem.h"
#include "stepca/chain.h"
#include "stepca/csr.h"
#include "stepca/task.h"
#include "stepca/token.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

static void enrol_instead(struct task *task)
{
	task_note_failure(task);
	enrol_begin(task);
}

/* -- by token --------------------------------------------------------------------------------- */

static void on_token_renewal(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	enum ca_verdict verdict = task_judge(task, reply);

	if (verdict == CA_DONE)
		return publish(task, reply, "renewed by token");
	/* 500 is what a CA answers that does not like the token's audience. */
	if (verdict == CA_RETRY && reply->status != 500)
		return task_fail(task, verdict, reply->retry_after);
	enrol_instead(task);
}

static void renew_by_token(struct task *task)
{
	cleanup_free char *audience = NULL;
	cleanup_free char *token = NULL;
	int r;

	if (asprintf(&audience, "%s/1.0/renew", task->ca->options.url) < 0) {
		audience = NULL;
		return task_fail_errno(task, -ENOMEM, "cannot renew");
	}
	r = token_renewal(task->pair.key, task->pair.chain, audience, task->ca->host->now_wall(),
			  &token);
	if (r < 0) {
		task_say(task, "no token can be signed with %s: %s", task->ca->store.key,
			 strerror(-r));
		return enrol_instead(task);
	}
	task_send(task, task->verified, "/1.0/renew", "", token, on_token_renewal);
	OPENSSL_cleanse(token, strlen(token));
}

/* -- over mTLS -------------------------------------------------------------------------------- */

static void on_mutual_renewal(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	enum ca_verdict verdict = task_judge(task, reply);

	if (verdict == CA_DONE)
		return publish(task, reply,
			       task->key_new ? "renewed with a new key over mTLS"
					     : "renewed over mTLS");
	if (verdict == CA_DENIED || (task->key_new && reply->result == HTTP_REFUSED_US))
		return enrol_instead(task);
	/* TLS does not take our certificate, or a proxy in between has swallowed it. */
	if (reply->result == HTTP_REFUSED_US || reply->status == 400) {
		if (task->key_new)
			return enrol_instead(task);
		task_note_failure(task);
		return renew_by_token(task);
	}
	task_fail(task, verdict, reply->retry_after);
}

static void send_mutual(struct task *task, const char *path, const char *body)
{
	if (!task->mutual)
		task->mutual = task_client(task, true);
	if (!task->mutual)
		return task_fail_errno(task, -ENOMEM, "cannot renew");
	task_send(task, task->mutual, path, body, NULL, on_mutual_renewal);
}

static void rekey(struct task *task)
{
	cleanup_free char *pem = NULL, *body = NULL;

	task->csr = csr_create(task->key, task->ca->options.subject, task->ca->options.names);
	pem = task->csr ? csr_to_pem(task->csr) : NULL;
	body = pem ? ca_rekey_request(pem) : NULL;
	if (!body)
		return task_fail_errno(task, -ENOMEM, "cannot make a request for a certificate");
	send_mutual(task, "/1.0/rekey", body);
}

static bool has_expired(const struct task *task)
{
	int64_t from, to;

	chain_validity(pair_leaf(&task->pair), &from, &to);
	return to <= task->ca->host->now_wall();
}

/* Whether there is something to renew by. */
static bool is_pair(const struct task *task)
{
	X509 *leaf = pair_leaf(&task->pair);
	bool pair = leaf && task->pair.key && X509_check_private_key(leaf, task->pair.key) == 1;

	ERR_clear_error();
	return pair;
}

bool renew_is_mutual(const struct task *task)
{
	const struct options *o = &task->ca->options;

	return !o->acme.foreign && o->mtls && is_pair(task) && !has_expired(task);
}

void renew_begin(struct task *task)
{
	/* ACME alone knows no renewal, and /rekey no token. */
	if (task->ca->options.acme.foreign || !is_pair(task) ||
	    (has_expired(task) && task->ca->options.rekey))
		return enrol_begin(task);
	if (task->ca->options.rekey)
		return task_make_key(task, rekey);
	task->key = task->pair.key;
	EVP_PKEY_up_ref(task->key);
	if (!renew_is_mutual(task))
		return renew_by_token(task);
	send_mutual(task, "/1.0/renew", "");
}
