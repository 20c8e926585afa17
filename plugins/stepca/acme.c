/*
 * An order from its begin to its end, as the task sees it
 */
#include "stepca/acme_core.h"

#include "common/mem.h"
#include "common/text.h"

#include <errno.h>
#include <string.h>

enum { PAUSE_MS = 60000 };

void acme_destroy(struct acme *acme)
{
	struct stepca *ca;

	if (!acme)
		return;
	assert(acme->magic == ACME_MAGIC);
	ca = acme->task->ca;
	acme_ledger_forget_waiter(ca);
	acme_challenge_take_down(acme);
	ca->host->timer_remove(acme->timer);
	acme_call_finish(acme);
	acme_directory_finish(&acme->directory);
	acme_account_finish(&acme->account);
	acme_saved_finish(&acme->saved);
	for (size_t i = 0; acme->authz && i < acme->order.n; i++)
		acme_authz_finish(&acme->authz[i]);
	free(acme->authz);
	acme_order_finish(&acme->order);
	free(acme->thumbprint);
	free(acme->nonce);
	acme->magic = 0;
	free(acme);
}

void acme_fail_reply(struct acme *acme, int error, const struct http_reply *reply)
{
	struct task *task = acme->task;
	char text[100];

	if (error != -EBADMSG)
		return task_fail_errno(task, error, "%s", task->what);
	text_clean(reply->body, reply->len, text, sizeof(text));
	task_say(task,
		 "%s: HTTP %ld, but the reply is not an ACME server's: \"%s\"; is a proxy in "
		 "between? check url%s",
		 task->what, reply->status, text,
		 acme->options->foreign ? " and acme_directory" : ", provisioner");
	task_fail(task, CA_RETRY, 0);
}

static void on_directory(struct acme *acme, const struct http_reply *reply)
{
	int r = acme_directory_parse(reply, &acme->directory);

	if (r < 0)
		return acme_fail_reply(acme, r, reply);
	acme_account_begin(acme);
}

/* Nothing of an earlier order is up any more: what comes now can't be taken down by mistake. */
static void on_settled(void *data)
{
	struct acme *acme = data;

	assert(acme->magic == ACME_MAGIC);
	acme_get(acme, acme->options->directory, on_directory);
}

struct acme *acme_create(struct task *task)
{
	struct acme *acme = calloc(1, sizeof(*acme));

	if (!acme)
		return NULL;
	acme->magic = ACME_MAGIC;
	acme->task = task;
	acme->options = &task->ca->options.acme;
	acme_destroy(task->acme);
	task->acme = acme;
	return acme;
}

void acme_begin(struct task *task)
{
	struct acme *acme = acme_create(task);

	if (!acme)
		return task_fail_errno(task, -ENOMEM, "cannot order a certificate");
	acme_ledger_settle(task->ca, on_settled, acme);
}

void acme_published(struct acme *acme)
{
	acme_order_forget(acme->task->ca);
}

void acme_note_failure(struct stepca *ca, int32_t status, int64_t retry_after)
{
	int64_t wait = retry_after < 0 ? PAUSE_MS : retry_after;

	ca->pause.until = wait > 0 ? ca->host->now_mono() + wait : 0;
	ca->pause.status = status;
	ca->pause.generation = ca->generation;
}

bool acme_too_early(struct stepca *ca, uint64_t generation, hc_job job)
{
	int64_t left = ca->pause.until - ca->host->now_mono();
	bool changed = generation != ca->pause.generation;

	ca->pause.generation = generation;
	if (!changed || left <= 0 || ca->options.acme.challenge == ACME_NONE)
		return false;
	if (ca->pause.status == HC_RETRY)
		ca->host->job_delay(job, left, -1);
	ca->host->job_done(job, ca->pause.status, "%s", ca->error);
	return true;
}

void acme_tidy(struct stepca *ca)
{
	acme_ledger_settle(ca, NULL, NULL);
}

void acme_finish(struct stepca *ca)
{
	acme_ledger_finish(ca);
}
