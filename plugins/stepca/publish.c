/*
 * The last step: is it what we asked for, and then into place with it
 */
#include "common/mem.h"
#include "common/text.h"
#include "stepca/chain.h"
#include "stepca/task.h"

#include <errno.h>
#include <openssl/err.h>

/* True where the key on disk is still the one we asked with: a person may have replaced it. */
static bool key_still_there(const struct task *task)
{
	EVP_PKEY *key = NULL;
	bool same = store_read_key(&task->ca->store, &key) == 0 && EVP_PKEY_eq(key, task->key) == 1;

	EVP_PKEY_free(key);
	ERR_clear_error();
	return same;
}

static int put_in_place(struct task *task, const STACK_OF(X509) * chain)
{
	cleanup_free char *pem = pem_from_certs(chain);
	struct store_pair pair = {task->key, task->key_new, pem};

	return pem ? store_write_pair(&task->ca->store, &pair) : -ENOMEM;
}

/* From here on a changed subject, name or key type is a reason to enrol again. */
static void remember_asked(const struct stepca *ca)
{
	if (ca->host->state_set(ca->ctx, "asked", ca->options.asked, sizeof(ca->options.asked)) < 0)
		ca->host->log(ca->ctx, HC_LOG_WARNING,
			      "cannot keep in the state what was asked for; a change of the "
			      "configured names may go unnoticed");
}

static void finish(struct task *task, const STACK_OF(X509) * chain, const char *how)
{
	struct stepca *ca = task->ca;
	char until[TEXT_TIME_SIZE], serial[65];
	X509 *leaf = sk_X509_value(chain, 0);
	int64_t from, to;
	int r;

	if (!task->key_new && !key_still_there(task))
		return task_fail_errno(task, -ESTALE, "the key %s was changed meanwhile",
				       ca->store.key);
	r = put_in_place(task, chain);
	if (r < 0)
		return task_fail_errno(task, r, "cannot put %s in place", ca->store.cert);
	if (task->kind == TASK_ENROL)
		remember_asked(ca);
	if (task->acme)
		acme_published(task->acme);
	ca->issued_at = ca->host->now_wall();
	chain_validity(leaf, &from, &to);
	task_succeed(task, "%s: valid until %s, serial %s", how, text_time(to, until),
		     chain_serial(leaf, serial, sizeof(serial)));
}

void publish_chain(struct task *task, const STACK_OF(X509) * chain, const char *how)
{
	struct chain_demand demand = {
		.key = task->key,
		.names = task->csr && task->kind == TASK_ENROL ? task->ca->options.names : NULL,
		.roots = task->trust,
		.now_ms = task->ca->host->now_wall(),
	};

	if (!chain_check(chain, &demand, task->why, sizeof(task->why)))
		return task_fail(task, CA_REFUSED, 0);
	finish(task, chain, how);
}

void publish(struct task *task, const struct http_reply *reply, const char *how)
{
	cleanup_certs STACK_OF(X509) *chain = NULL;
	int r = ca_parse_chain(reply, &chain);

	if (r == -ENOMEM)
		return task_fail_errno(task, r, "%s", task->what);
	if (r < 0) {
		ca_explain_garbage(reply, task->what, task->why);
		return task_fail(task, CA_RETRY, 0);
	}
	publish_chain(task, chain, how);
}
