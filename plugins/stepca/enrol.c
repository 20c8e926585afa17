/*
 * Enrolment: a certificate by means of a one-time token
 */
#include "common/json.h"
#include "common/mem.h"
#include "stepca/chain.h"
#include "stepca/csr.h"
#include "stepca/ott.h"
#include "stepca/secret.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* -- signing ---------------------------------------------------------------------------------- */

static void sign_with(struct task *task, const char *token);

static void find_token(struct task *task)
{
	ott_get(task, "/1.0/sign", task->ca->options.subject, sign_with);
}

static void on_signed(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	enum ca_verdict verdict = task_judge(task, reply);

	if (verdict == CA_DONE)
		return publish(task, reply,
			       task->revoked ? "revoked, and a new one issued" : "issued");
	if (verdict != CA_DENIED)
		return task_fail(task, verdict, reply->retry_after);
	if (!task->second_token && ott_renewable(task)) {
		/* The provisioner's key may just have changed, or the CA have started. */
		task->second_token = true;
		ott_forget(task);
		return find_token(task);
	}
	ott_explain_denial(task);
	task_fail(task, CA_DENIED, 0);
}

static void sign_with(struct task *task, const char *token)
{
	cleanup_free char *csr = csr_to_pem(task->csr);
	cleanup_secret char *body =
		csr ? ca_sign_request(csr, token, task->ca->options.lifetime, task->template_data)
		    : NULL;

	if (!body)
		return task_fail_errno(task, -ENOMEM, "cannot ask for a certificate");
	task_send(task, task->verified, "/1.0/sign", body, NULL, on_signed);
}

/* -- the key and the request --------------------------------------------------------------------
 */

/* A person may change the file at any time, so it is read for each request. */
static bool load_template_data(struct task *task)
{
	const char *path = task->ca->options.template_data;
	size_t len = 0;
	cleanup_free char *text = path ? file_read(path, &len) : NULL;

	json_decref(task->template_data);
	task->template_data = text ? json_parse_object(text, len) : NULL;
	if (!path || task->template_data)
		return true;
	if (text)
		task_say(task, "template_data %s is no JSON object; mend it", path);
	else
		task_say(task, "cannot read template_data %s: %s", path, strerror(errno));
	return false;
}

static void request(struct task *task)
{
	const struct options *o = &task->ca->options;

	X509_REQ_free(task->csr);
	task->csr = csr_create(task->key, acme_common_name(&o->acme, o->subject), o->names);
	if (!task->csr)
		return task_fail_errno(task, -ENOMEM, "cannot make a request for a certificate");
	if (o->acme.challenge != ACME_NONE)
		return acme_begin(task);
	if (!load_template_data(task))
		return task_fail(task, CA_REFUSED, 0);
	find_token(task);
}

/* Where there is no key file, the key goes first and stays: the next try needs no other. */
static void key_made(struct task *task)
{
	const struct store *store = &task->ca->store;
	bool alone = task->pair.key_error == -ENOENT && !store_is_combined(store);
	int r = alone ? store_write_key(store, task->key) : 1;

	if (r < 0)
		return task_fail_errno(task, r, "cannot write %s", task->ca->store.key);
	task->key_new = r > 0;
	request(task);
}

/* A key that is there is used again, unless it is the wrong kind, shall change each
 * time, or its certificate was revoked. */
static bool reusable(const struct task *task)
{
	const struct options *o = &task->ca->options;
	char serial[65];

	if (!task->pair.key || (o->key_type_set && !key_is(task->pair.key, o->key_type)))
		return false;
	if (task->pair.chain &&
	    stepca_revoked(task->ca, chain_serial(pair_leaf(&task->pair), serial, sizeof(serial))))
		return false;
	return !(o->rekey && task->pair.chain);
}

void enrol_begin(struct task *task)
{
	int why = task->pair.key_error;

	task->kind = TASK_ENROL;
	EVP_PKEY_free(task->key);
	task->key = NULL;
	if (reusable(task)) {
		task->key_new = false;
		task->key = task->pair.key;
		EVP_PKEY_up_ref(task->key);
		return request(task);
	}
	if (why == -EKEYREJECTED) {
		task_say(task,
			 "the key %s is encrypted, and %s; give the right passphrase, or move "
			 "the key away",
			 task->ca->store.key,
			 task->ca->options.has_key_password
				 ? "what is in key_password_file does not open it"
				 : "there is no key_password_file");
		return task_fail(task, CA_REFUSED, 0);
	}
	if (why < 0 && why != -ENOENT && why != -EBADMSG)
		return task_fail_errno(task, why, "cannot read %s", task->ca->store.key);
	task_make_key(task, key_made);
}
