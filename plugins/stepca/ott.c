#include "stepca/ott.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/text.h"
#include "stepca/csr.h"
#include "stepca/secret.h"
#include "stepca/token.h"

#include <errno.h>
#include <string.h>

/* -- signed by a key of ours: the provisioner's, or that of the X5C certificate ------------------
 */

static int fill_audience(const struct task *task, const char *fragment, char **ret)
{
	return asprintf(ret, "%s%s%s%s", task->ca->options.url, task->ott.path, fragment,
			*fragment ? task->ca->options.provisioner : "") < 0
		       ? -ENOMEM
		       : 0;
}

/* What both kinds of token have in common, by whom it is signed apart. */
static void give_signed(struct task *task, EVP_PKEY *key, struct token_claims claims)
{
	struct stepca *ca = task->ca;
	cleanup_free char *audience = NULL, *confirmation = NULL;
	cleanup_secret char *token = NULL;
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];
	char root[65];
	int r;

	pem_fingerprint(sk_X509_value(ca->roots, 0), fingerprint);
	pem_format_fingerprint(fingerprint, root);
	confirmation = task->csr ? csr_confirmation(task->csr) : NULL;
	r = fill_audience(task, claims.chain ? "#x5c/" : "", &audience);
	if (r < 0)
		audience = NULL;
	if (r == 0 && task->csr && !confirmation)
		r = -ENOMEM;
	claims.issuer = ca->options.provisioner;
	claims.audience = audience;
	claims.subject = task->ott.subject;
	claims.root = root;
	claims.confirmation = confirmation;
	claims.names = task->csr ? ca->options.names : NULL;
	claims.user = task->template_data;
	claims.now_ms = ca->host->now_wall();
	if (r == 0)
		r = token_one_time(key, &claims, &token);
	if (r < 0)
		return task_fail_errno(task, r, "cannot sign a token for provisioner %s",
				       ca->options.provisioner);
	task->ott.then(task, token);
}

static void give_by_provisioner(struct task *task)
{
	struct token_claims claims = {
		.algorithm = task->provisioner.algorithm,
		.kid = task->provisioner.kid,
	};

	give_signed(task, task->provisioner_key, claims);
}

static void open_provisioner(struct task *task)
{
	provisioner_open(task, give_by_provisioner);
}

/* The pair is read anew each time: something else renews it. */
static void give_by_x5c(struct task *task)
{
	const struct options *o = &task->ca->options;
	cleanup_with(pair_finish) struct pair pair = {0};
	cleanup_wiped struct secret password;
	int r = secret_read(&password, task->ca->host, task->ca->ctx, "password_file");

	if (r == 0)
		r = pair_read(&pair, o->x5c_cert, o->x5c_key, secret_text(&password));
	if (r < 0)
		return task_fail_errno(task, r, "cannot read %s and %s", o->x5c_cert, o->x5c_key);
	if (r == PAIR_WHOLE) {
		struct token_claims claims = {.chain = pair.chain};

		return give_signed(task, pair.key, claims);
	}
	task_say(task,
		 "%s and %s are no certificate and its key%s; put a pair there that "
		 "provisioner %s trusts",
		 o->x5c_cert, o->x5c_key,
		 pair.key_error == -EKEYREJECTED ? ": password_file does not open the key" : "",
		 o->provisioner);
	task_fail(task, CA_DENIED, 0);
}

/* -- given to us ----------------------------------------------------------------------------------
 */

void ott_give(struct task *task, char *text, const char *source)
{
	size_t len = strlen(text);

	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	if (len > 0 && !strpbrk(text, " \t\r\n"))
		return task->ott.then(task, text);
	task_say(task, "%s does not hold one token; put a fresh one there", source);
	task_fail(task, CA_DENIED, 0);
}

static void give_by_file(struct task *task)
{
	const char *path = task->ca->options.token_file;
	size_t len = 0;
	cleanup_secret char *text = file_read(path, &len);
	char source[512];

	if (!text)
		return task_fail_errno(task, -errno, "cannot read token_file %s", path);
	snprintf(source, sizeof(source), "token_file %s", path);
	if (strlen(text) != len)
		text[0] = '\0';
	ott_give(task, text, source);
}

/* -- what the rest sees
 * ----------------------------------------------------------------------------- */

void ott_get(struct task *task, const char *path, const char *subject, ott_fn then)
{
	task->ott.path = path;
	task->ott.then = then;
	snprintf(task->ott.subject, sizeof(task->ott.subject), "%s", subject);
	switch (task->ca->options.credential) {
	case BY_PASSWORD:
		if (task->provisioner_key)
			return give_by_provisioner(task);
		return provisioner_find(task, open_provisioner);
	case BY_X5C:
		return give_by_x5c(task);
	case BY_TOKEN_FILE:
		return give_by_file(task);
	case BY_TOKEN_COMMAND:
		return ott_run_command(task);
	case BY_ACME:
		task_say(task, "there is no one-time token with challenge");
		return task_fail(task, CA_REFUSED, 0);
	}
}

bool ott_renewable(const struct task *task)
{
	return task->ca->options.credential != BY_TOKEN_FILE;
}

void ott_forget(struct task *task)
{
	ca_provisioner_finish(&task->provisioner);
	EVP_PKEY_free(task->provisioner_key);
	task->provisioner_key = NULL;
}

void ott_explain_denial(struct task *task)
{
	const struct options *o = &task->ca->options;
	size_t len = strlen(task->why);
	char *at = task->why + len;
	size_t size = sizeof(task->why) - len;
	char now[TEXT_TIME_SIZE];

	text_time(task->ca->host->now_wall(), now);
	switch (o->credential) {
	case BY_PASSWORD:
		snprintf(at, size, "; our token said aud %s%s, iss %s, kid %s, sub %s, iat %s",
			 o->url, task->ott.path, o->provisioner, task->provisioner.kid,
			 task->ott.subject, now);
		break;
	case BY_X5C:
		snprintf(at, size, "; our token said aud %s%s#x5c/%s, iss %s, sub %s, iat %s",
			 o->url, task->ott.path, o->provisioner, o->provisioner, task->ott.subject,
			 now);
		break;
	case BY_TOKEN_FILE:
		snprintf(at, size,
			 "; is the token in %s used, too old, or for another name? put a fresh one "
			 "there",
			 o->token_file);
		break;
	case BY_TOKEN_COMMAND:
		snprintf(at, size, "; the token was one of `%s`", o->token_command[0]);
		break;
	case BY_ACME:
		break;
	}
}
