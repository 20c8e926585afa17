/*
 * Enrolment: a certificate by means of a one-time token
 *
 * The token is made with the key of the JWK provisioner, which the CA publishes under a password,
 * or read from a file. One token a try: a failed one is burned as well.
 */
#include "common/json.h"
#include "common/mem.h"
#include "common/text.h"
#include "stepca/csr.h"
#include "stepca/jwe.h"
#include "stepca/jwk.h"
#include "stepca/task.h"
#include "stepca/token.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

enum {
	SECRET_MAX = 16384,
	PAGES_MAX = 100, /* of 100 provisioners */
};

static void wipe_free(char *secret)
{
	if (secret)
		OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}

static void wipe_freep(char **secret)
{
	wipe_free(*secret);
}

#define cleanup_secret cleanup_with(wipe_freep)

/* -- signing ---------------------------------------------------------------------------------- */

static void find_token(struct task *task);

/* What a person needs to compare with the CA's log: it tells the client nothing. */
static void explain_denial(struct task *task)
{
	const struct options *o = &task->ca->options;
	char now[TEXT_TIME_SIZE];
	size_t len = strlen(task->why);

	if (o->token_file)
		snprintf(task->why + len, sizeof(task->why) - len,
			 "; is the token in %s used, too old, or for another name? put a fresh one "
			 "there",
			 o->token_file);
	else
		snprintf(task->why + len, sizeof(task->why) - len,
			 "; our token said aud %s/1.0/sign, iss %s, kid %s, sub %s, iat %s", o->url,
			 o->provisioner, task->provisioner.kid, o->subject,
			 text_time(task->ca->host->now_wall(), now));
}

static void on_signed(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	enum ca_verdict verdict = task_judge(task, reply);

	if (verdict == CA_DONE)
		return publish(task, reply, "issued");
	if (verdict != CA_DENIED)
		return task_fail(task, verdict, reply->retry_after);
	if (!task->second_token && !task->ca->options.token_file) {
		/* The provisioner's key may just have changed, or the CA have started. */
		task->second_token = true;
		ca_provisioner_finish(&task->provisioner);
		EVP_PKEY_free(task->provisioner_key);
		task->provisioner_key = NULL;
		return find_token(task);
	}
	explain_denial(task);
	task_fail(task, CA_DENIED, 0);
}

static void sign_with(struct task *task, const char *token)
{
	cleanup_free char *csr = csr_to_pem(task->csr);
	cleanup_secret char *body =
		csr ? ca_sign_request(csr, token, task->ca->options.lifetime) : NULL;

	if (!body)
		return task_fail_errno(task, -ENOMEM, "cannot ask for a certificate");
	task_send(task, task->verified, "/1.0/sign", body, NULL, on_signed);
}

/* -- a token of our own ----------------------------------------------------------------------- */

static void sign_with_new_token(struct task *task)
{
	struct stepca *ca = task->ca;
	cleanup_free char *audience = NULL, *confirmation = csr_confirmation(task->csr);
	cleanup_secret char *token = NULL;
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];
	char root[65];
	int r = -ENOMEM;

	if (asprintf(&audience, "%s/1.0/sign", ca->options.url) < 0)
		audience = NULL;
	pem_fingerprint(sk_X509_value(ca->roots, 0), fingerprint);
	pem_format_fingerprint(fingerprint, root);
	if (audience && confirmation) {
		struct token_claims claims = {
			.algorithm = task->provisioner.algorithm,
			.kid = task->provisioner.kid,
			.issuer = ca->options.provisioner,
			.audience = audience,
			.subject = ca->options.subject,
			.root = root,
			.confirmation = confirmation,
			.names = ca->options.names,
			.now_ms = ca->host->now_wall(),
		};

		r = token_one_time(task->provisioner_key, &claims, &token);
	}
	if (r < 0)
		return task_fail_errno(task, r,
				       "cannot sign a token with the key of provisioner %s",
				       ca->options.provisioner);
	sign_with(task, token);
}

/* -- the provisioner's key, opened on a thread ------------------------------------------------- */

struct key_opening {
	char *jwe;
	char password[SECRET_MAX];
	EVP_PKEY *key;
};

static int opening_run(void *data)
{
	struct key_opening *o = data;
	uint8_t *text = NULL;
	size_t len = 0;
	json_t *jwk;
	int r = jwe_open(o->jwe, o->password, &text, &len);

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
	sign_with_new_token(task);
}

static void open_key(struct task *task)
{
	struct stepca *ca = task->ca;
	struct key_opening *o = calloc(1, sizeof(*o));
	struct work_task work = {opening_run, opening_free, o};
	int64_t len;
	int r;

	if (!o)
		return task_fail_errno(task, -ENOMEM, "cannot open the provisioner's key");
	o->jwe = steal(&task->provisioner.encrypted_key);
	len = ca->host->secret_read(ca->ctx, "password_file", o->password, sizeof(o->password));
	if (len < 0) {
		opening_free(o);
		return task_fail_errno(task, (int)len, "cannot read %s",
				       ca->host->opt_string(ca->ctx, "password_file"));
	}
	r = work_start(ca->host, ca->ctx, &ca->works, &work, on_opened, task, &task->work);
	if (r < 0)
		task_fail_errno(task, r, "cannot open the provisioner's key");
}

/* -- the provisioner --------------------------------------------------------------------------- */

static void ask_provisioners(struct task *task, const char *cursor);

static void take_page(struct task *task, const struct http_reply *reply)
{
	const char *name = task->ca->options.provisioner;
	cleanup_free char *cursor = NULL;

	switch (ca_parse_provisioners(reply, name, &task->provisioner, &cursor)) {
	case CA_PROVISIONER_FOUND:
		if (task->provisioner.encrypted_key)
			return open_key(task);
		task_say(task,
			 "%s: the CA does not publish the key of provisioner %s; use token_file",
			 task->what, name);
		return task_fail(task, CA_REFUSED, 0);
	case CA_PROVISIONER_OTHER_TYPE:
		task_say(task,
			 "%s: provisioner %s is not of type JWK; name one that is, or use "
			 "token_file",
			 task->what, name);
		return task_fail(task, CA_REFUSED, 0);
	case CA_PROVISIONER_NEXT_PAGE:
		if (++task->pages < PAGES_MAX)
			return ask_provisioners(task, cursor);
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

static void on_provisioners(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	enum ca_verdict verdict = task_judge(task, reply);

	if (verdict != CA_DONE)
		return task_fail(task, verdict, reply->retry_after);
	take_page(task, reply);
}

static void ask_provisioners(struct task *task, const char *cursor)
{
	cleanup_free char *path = NULL;

	if (asprintf(&path, "/provisioners?limit=100%s%s", cursor ? "&cursor=" : "",
		     cursor ? cursor : "") < 0) {
		path = NULL;
		return task_fail_errno(task, -ENOMEM, "cannot ask the CA");
	}
	task_send(task, task->verified, path, NULL, NULL, on_provisioners);
}

/* -- a token that somebody gave us ------------------------------------------------------------- */

static void sign_with_token_file(struct task *task)
{
	const char *path = task->ca->options.token_file;
	size_t len = 0;
	cleanup_secret char *token = file_read(path, &len);

	if (!token)
		return task_fail_errno(task, -errno, "cannot read token_file %s", path);
	while (len > 0 && strchr(" \t\r\n", token[len - 1]))
		token[--len] = '\0';
	if (len == 0 || strlen(token) != len || strpbrk(token, " \t\r\n")) {
		task_say(task, "token_file %s does not hold one token; put a fresh one there",
			 path);
		return task_fail(task, CA_DENIED, 0);
	}
	sign_with(task, token);
}

static void find_token(struct task *task)
{
	if (task->ca->options.token_file)
		return sign_with_token_file(task);
	task->pages = 0;
	ask_provisioners(task, NULL);
}

/* -- the key and the request --------------------------------------------------------------------
 */

static void request(struct task *task)
{
	const struct options *o = &task->ca->options;

	X509_REQ_free(task->csr);
	task->csr = csr_create(task->key, acme_common_name(&o->acme, o->subject), o->names);
	if (!task->csr)
		return task_fail_errno(task, -ENOMEM, "cannot make a request for a certificate");
	if (o->acme.challenge != ACME_NONE)
		return acme_begin(task);
	find_token(task);
}

/* Where there is no key file, the key goes first and stays: the next try needs no other. */
static void key_made(struct task *task)
{
	int r = task->pair.key_error == -ENOENT ? store_write_key(&task->ca->store, task->key) : 1;

	if (r < 0)
		return task_fail_errno(task, r, "cannot write %s", task->ca->store.key);
	task->key_new = r > 0;
	request(task);
}

/* A key that is there is used again, unless it is the wrong kind or shall change each time. */
static bool reusable(const struct task *task)
{
	const struct options *o = &task->ca->options;

	if (!task->pair.key || (o->key_type_set && !key_is(task->pair.key, o->key_type)))
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
			 "the key %s is encrypted, and stepca can't use it; decrypt it or "
			 "move it away",
			 task->ca->store.key);
		return task_fail(task, CA_REFUSED, 0);
	}
	if (why < 0 && why != -ENOENT && why != -EBADMSG)
		return task_fail_errno(task, why, "cannot read %s", task->ca->store.key);
	task_make_key(task, key_made);
}
