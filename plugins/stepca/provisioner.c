/*
 * The provisioner: found among those that the CA publishes, and its key opened by the password
 */
#include "common/json.h"
#include "common/mem.h"
#include "stepca/jwe.h"
#include "stepca/jwk.h"
#include "stepca/ott.h"
#include "stepca/secret.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { PAGES_MAX = 100 }; /* of 100 provisioners */

/* -- its key, opened on a thread --------------------------------------------------------------- */

struct key_opening {
	char *jwe;
	struct secret password;
	EVP_PKEY *key;
	task_fn then;
};

static int opening_run(void *data)
{
	struct key_opening *o = data;
	uint8_t *text = NULL;
	size_t len = 0;
	json_t *jwk;
	int r = jwe_open(o->jwe, o->password.text, &text, &len);

	if (r < 0)
		return r;
	jwk = json_parse_object((char *)text, len);
	r = jwk ? jwk_private(jwk, &o->key) : -EINVAL;
	json_decref(jwk);
	OPENSSL_cleanse(text, len);
	free(text);
	return r;
}

static void opening_free(void *data)
{
	struct key_opening *o = data;

	free(o->jwe);
	EVP_PKEY_free(o->key);
	OPENSSL_cleanse(o, sizeof(*o));
	free(o);
}

static void explain_opening(struct task *task, int error)
{
	const struct options *o = &task->ca->options;

	switch (error) {
	case -EACCES:
		return task_say(task,
				"the password in %s does not open the key of provisioner %s; put "
				"the right one there",
				task->ca->host->opt_string(task->ca->ctx, "password_file"),
				o->provisioner);
	case -ENOTSUP:
		return task_say(task,
				"the key of provisioner %s is of a kind or encryption that hotcert "
				"does not know; use token_file, or make a provisioner with step's "
				"defaults",
				o->provisioner);
	default:
		return task_say(task, "the key of provisioner %s as the CA sent it is broken",
				o->provisioner);
	}
}

static void on_opened(void *owner, void *data, int result)
{
	struct task *task = owner;
	struct key_opening *o = data;

	assert(task->magic == TASK_MAGIC);
	task->work = NULL;
	if (result == -ENOMEM)
		return task_fail_errno(task, result, "cannot open the provisioner's key");
	if (result < 0) {
		explain_opening(task, result);
		return task_fail(task, CA_REFUSED, 0);
	}
	task->provisioner_key = steal(&o->key);
	o->then(task);
}

void provisioner_open(struct task *task, task_fn then)
{
	struct stepca *ca = task->ca;
	struct key_opening *o = calloc(1, sizeof(*o));
	struct work_task work = {opening_run, opening_free, o};
	int r;

	if (!o)
		return task_fail_errno(task, -ENOMEM, "cannot open the provisioner's key");
	o->then = then;
	o->jwe = steal(&task->provisioner.encrypted_key);
	r = secret_read(&o->password, ca->host, ca->ctx, "password_file");
	if (r < 0) {
		opening_free(o);
		return task_fail_errno(task, r, "cannot read %s",
				       ca->host->opt_string(ca->ctx, "password_file"));
	}
	r = work_start(ca->host, ca->ctx, &ca->works, &work, on_opened, task, &task->work);
	if (r < 0)
		task_fail_errno(task, r, "cannot open the provisioner's key");
}

/* -- where it is published ----------------------------------------------------------------------
 */

static void ask_page(struct task *task, const char *cursor);

static const char *wanted_type(const struct task *task)
{
	return task->ca->options.credential == BY_X5C ? "X5C" : "JWK";
}

static void take_page(struct task *task, const struct http_reply *reply)
{
	const char *name = task->ca->options.provisioner, *type = wanted_type(task);
	cleanup_free char *cursor = NULL;

	switch (ca_parse_provisioners(reply, name, type, &task->provisioner, &cursor)) {
	case CA_PROVISIONER_FOUND:
		if (task->ca->options.credential == BY_X5C || task->provisioner.encrypted_key)
			return task->provisioner_found(task);
		task_say(task,
			 "%s: the CA does not publish the key of provisioner %s; use token_file",
			 task->what, name);
		return task_fail(task, CA_REFUSED, 0);
	case CA_PROVISIONER_OTHER_TYPE:
		task_say(task,
			 "%s: provisioner %s is not of type %s; name one that is, or use "
			 "token_file",
			 task->what, name, type);
		return task_fail(task, CA_REFUSED, 0);
	case CA_PROVISIONER_NEXT_PAGE:
		if (++task->pages < PAGES_MAX)
			return ask_page(task, cursor);
		/* fall through */
	case CA_PROVISIONER_ABSENT:
		task_say(task,
			 "%s: the CA has no provisioner \"%s\"; check provisioner (names are "
			 "case-sensitive)",
			 task->what, name);
		return task_fail(task, CA_REFUSED, 0);
	default:
		ca_explain_garbage(reply, task->what, task->why);
		return task_fail(task, CA_RETRY, 0);
	}
}

static void on_page(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	enum ca_verdict verdict = task_judge(task, reply);

	if (verdict != CA_DONE)
		return task_fail(task, verdict, reply->retry_after);
	take_page(task, reply);
}

static void ask_page(struct task *task, const char *cursor)
{
	cleanup_free char *path = NULL;

	if (asprintf(&path, "/provisioners?limit=100%s%s", cursor ? "&cursor=" : "",
		     cursor ? cursor : "") < 0) {
		path = NULL;
		return task_fail_errno(task, -ENOMEM, "cannot ask the CA");
	}
	task_send(task, task->verified, path, NULL, NULL, on_page);
}

void provisioner_find(struct task *task, task_fn then)
{
	task->pages = 0;
	task->provisioner_found = then;
	ca_provisioner_finish(&task->provisioner);
	ask_page(task, NULL);
}
