/*
 * The account (RFC 8555 section 7.3): one for each instance, its key kept in the state
 */
#include "common/json.h"
#include "common/mem.h"
#include "stepca/acme_core.h"
#include "stepca/b64.h"
#include "stepca/jwk.h"
#include "stepca/jws.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

enum { SECRET_MAX = 4096 };

/* -- contacts -------------------------------------------------------------------------------- */

static json_t *contact_array(const struct acme *acme)
{
	json_t *array = json_array();

	for (const char *const *c = acme->options->contact; array && *c; c++) {
		bool has_scheme = strncmp(*c, "mailto:", 7) == 0;

		if (json_array_append_new(
			    array, json_sprintf("%s%s", has_scheme ? "" : "mailto:", *c)) == 0)
			continue;
		json_decref(array);
		return NULL;
	}
	return array;
}

/* The same as one text. NULL: out of memory. */
static char *contact_text(const struct acme *acme)
{
	cleanup_json json_t *array = contact_array(acme);

	return array ? json_dumps(array, JSON_COMPACT) : NULL;
}

static void account_ready(struct acme *acme)
{
	cleanup_json json_t *jwk = jwk_public_p256(acme->account.key);

	free(acme->thumbprint);
	acme->thumbprint = jwk ? jwk_thumbprint(jwk) : NULL;
	if (!acme->thumbprint)
		return task_fail_errno(acme->task, -ENOMEM, "cannot use the ACME account");
	acme_order_begin(acme);
}

/* The account's contacts are now those that are configured. */
static void on_contacts(struct acme *acme, const struct http_reply *reply)
{
	int r;

	(void)reply;
	free(acme->account.contact);
	acme->account.contact = contact_text(acme);
	r = acme_account_save(acme->task->ca, &acme->account);
	if (r < 0)
		return task_fail_errno(acme->task, r, "cannot keep the ACME account in the state");
	account_ready(acme);
}

/* Section 7.3.2, where the configuration has changed. */
static void update_contacts(struct acme *acme)
{
	cleanup_free char *wanted = contact_text(acme);
	json_t *body;

	if (wanted && acme->account.contact && strcmp(wanted, acme->account.contact) == 0)
		return account_ready(acme);
	body = json_pack("{so*}", "contact", contact_array(acme));
	if (!wanted || !body) {
		json_decref(body);
		return task_fail_errno(acme->task, -ENOMEM, "cannot use the ACME account");
	}
	acme_post(acme, acme->account.url, body, on_contacts, NULL);
}

/* -- external account binding (section 7.3.4) ------------------------------------------------ */

/* The MAC key as the CA gave it: base64url; some write it with padding. */
static int read_secret(const struct stepca *ca, uint8_t **ret, size_t *ret_len)
{
	char text[SECRET_MAX];
	int64_t len = ca->host->secret_read(ca->ctx, "acme_eab_key_file", text, sizeof(text));
	int r = (int)len;

	if (len >= 0) {
		for (char *c = text; *c; c++)
			*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
		text[strcspn(text, "=")] = '\0';
		r = b64url_decode(text, strlen(text), ret, ret_len);
	}
	OPENSSL_cleanse(text, sizeof(text));
	return r;
}

/* A JWS by the CA's MAC key over our public key. -EINVAL: the key file holds no such key. */
static int make_binding(const struct acme *acme, json_t **ret)
{
	cleanup_json json_t *jwk = jwk_public_p256(acme->account.key);
	cleanup_json json_t *header =
		json_pack("{ss ss ss}", "alg", "HS256", "kid", acme->options->eab_kid, "url",
			  acme->directory.new_account);
	cleanup_free char *payload = jwk ? json_dumps(jwk, JSON_COMPACT) : NULL;
	cleanup_free char *jws = NULL;
	uint8_t *secret = NULL;
	size_t len = 0;
	int r = header && payload ? read_secret(acme->task->ca, &secret, &len) : -ENOMEM;

	if (r == 0)
		r = len > 0 ? jws_mac(secret, len, header, payload, &jws) : -EINVAL;
	if (secret)
		OPENSSL_cleanse(secret, len);
	free(secret);
	if (r == 0)
		*ret = acme_flatten(jws);
	return r;
}

/* -- a new one ------------------------------------------------------------------------------- */

static void on_account(struct acme *acme, const struct http_reply *reply)
{
	struct stepca *ca = acme->task->ca;
	int r;

	if (strncmp(reply->location, "https://", 8) != 0)
		return acme_fail_reply(acme, -EBADMSG, reply);
	acme->account_made = true;
	free(acme->account.url);
	free(acme->account.contact);
	acme->account.url = strdup(reply->location);
	acme->account.contact = contact_text(acme);
	if (!acme->account.url || !acme->account.contact)
		return task_fail_errno(acme->task, -ENOMEM, "cannot use the ACME account");
	r = acme_account_save(ca, &acme->account);
	if (r < 0)
		return task_fail_errno(acme->task, r, "cannot keep the ACME account in the state");
	ca->host->log(ca->ctx, HC_LOG_NOTICE, "%s the ACME account %s",
		      reply->status == 201 ? "made" : "found", acme->account.url);
	account_ready(acme);
}

static void explain_binding(struct acme *acme, int error)
{
	struct task *task = acme->task;
	const char *path = task->ca->host->opt_string(task->ca->ctx, "acme_eab_key_file");

	if (error != -EINVAL)
		return task_fail_errno(task, error, "cannot read %s", path);
	task_say(task,
		 "acme_eab_key_file %s holds no key in base64url; put the CA's MAC key there as "
		 "it was given",
		 path);
	task_fail(task, CA_REFUSED, 0);
}

/* What needs a person is said before the CA is asked. True: the task is over. */
static bool needs_a_person(struct acme *acme)
{
	const struct acme_directory *d = &acme->directory;

	if (d->terms && !acme->options->agree_tos)
		task_say(acme->task,
			 "the CA has terms of service: %.300s; read them, and set acme_agree_tos "
			 "= yes where you agree",
			 d->terms);
	else if (d->binding_required && !acme->options->eab_kid)
		task_say(acme->task,
			 "the CA takes new accounts only from those it knows already; get a key "
			 "id and a MAC key from it, for acme_eab_kid and acme_eab_key_file");
	else
		return false;
	task_fail(acme->task, CA_REFUSED, 0);
	return true;
}

static void account_new(struct acme *acme)
{
	cleanup_json json_t *contact = contact_array(acme);
	cleanup_json json_t *binding = NULL, *body = json_object();
	int r = contact && body ? 0 : -ENOMEM;

	if (needs_a_person(acme))
		return;
	if (r == 0 && acme->options->eab_kid)
		r = make_binding(acme, &binding);
	if (r < 0 && r != -ENOMEM)
		return explain_binding(acme, r);
	if (r < 0 ||
	    (acme->directory.terms &&
	     json_object_set_new(body, "termsOfServiceAgreed", json_true()) < 0) ||
	    (json_array_size(contact) > 0 && json_object_set(body, "contact", contact) < 0) ||
	    (binding && json_object_set(body, "externalAccountBinding", binding) < 0))
		return task_fail_errno(acme->task, -ENOMEM, "cannot make an ACME account");
	acme_post_by_key(acme, acme->directory.new_account, steal(&body), on_account);
}

/* Its key is in the state before the CA hears of it: a crash in between makes no second account. */
static void key_new(struct acme *acme)
{
	int r;

	acme->account.key = key_generate(KEY_EC_P256);
	r = acme->account.key ? acme_account_save(acme->task->ca, &acme->account) : -ENOMEM;
	if (r < 0)
		return task_fail_errno(acme->task, r, "cannot make an ACME account");
	account_new(acme);
}

/* It is known, so the trouble is another: the task ends with what it was. */
static void on_known(struct acme *acme, const struct http_reply *reply)
{
	struct task *task = acme->task;

	(void)reply;
	memcpy(task->why, acme->trouble, sizeof(task->why));
	task_fail(task, CA_RETRY, 0);
}

bool acme_account_ask(struct acme *acme)
{
	if (acme->account_asked || acme->account_made)
		return false;
	acme->account_asked = true;
	memcpy(acme->trouble, acme->task->why, sizeof(acme->trouble));
	/* Section 7.3.1. Where it is not known, acme_request.c sees to that. */
	acme_post_by_key(acme, acme->directory.new_account,
			 json_pack("{sb}", "onlyReturnExisting", 1), on_known);
	return true;
}

/* An account belongs to the directory where it was made; its key may go on to another. */
static void leave_other_directory(struct acme_account *account, const char *directory)
{
	if (account->directory && strcmp(account->directory, directory) == 0)
		return;
	free(account->url);
	free(account->directory);
	account->url = NULL;
	account->directory = strdup(directory);
}

void acme_account_begin(struct acme *acme)
{
	struct acme_account *account = &acme->account;
	int r = acme_account_load(acme->task->ca, account);

	if (r == -ENOMEM)
		return task_fail_errno(acme->task, r, "cannot use the ACME account");
	leave_other_directory(account, acme->options->directory);
	if (!account->key)
		return key_new(acme);
	if (!account->url)
		return account_new(acme);
	update_contacts(acme);
}

void acme_account_lost(struct acme *acme)
{
	struct stepca *ca = acme->task->ca;

	int r;

	ca->host->log(ca->ctx, HC_LOG_NOTICE, "%s", acme->task->why);
	free(acme->account.url);
	acme->account.url = NULL;
	acme_order_forget(ca);
	r = acme_account_save(ca, &acme->account);
	if (r < 0)
		return task_fail_errno(acme->task, r, "cannot keep the ACME account in the state");
	acme_begin(acme->task);
}
