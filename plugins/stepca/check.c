/*
 * `hotcertctl do stepca:NAME check`: everything up to the signing, as a report; nothing is changed
 */
#include "common/mem.h"
#include "common/text.h"
#include "stepca/chain.h"
#include "stepca/names.h"
#include "stepca/ott.h"
#include "stepca/secret.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <string.h>

/* A token lives five minutes with a minute's grace: more than this, and the CA refuses it. */
enum { SKEW_MAX = 60 * 1000 };

struct report {
	const char *stage; /* what is being looked at */
	bool bad;
	size_t len;
	char text[6144];
};

static void note(struct task *task, bool ok, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void note(struct task *task, bool ok, const char *format, ...)
{
	struct report *report = task->report;
	char line[CA_WHY_SIZE];
	va_list args;
	int n;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	n = snprintf(report->text + report->len, sizeof(report->text) - report->len,
		     "\n%-4s  %s: %s", ok ? "ok" : "FAIL", report->stage, line);
	report->len += (size_t)n;
	if (report->len >= sizeof(report->text))
		report->len = sizeof(report->text) - 1;
	report->bad |= !ok;
}

void check_note(struct task *task, const char *stage, bool ok, const char *format, ...)
{
	char line[CA_WHY_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	task->report->stage = stage;
	note(task, ok, "%s", line);
}

static void finish(struct task *task)
{
	const struct report *report = task->report;
	char text[sizeof(report->text) + 64];

	snprintf(text, sizeof(text), "%s%s",
		 report->bad ? "a certificate could not be got or kept:"
			     : "nothing stands in the way of a certificate:",
		 report->text);
	task_end(task, report->bad ? HC_FAILED : HC_OK, text);
}

void check_fail(struct task *task)
{
	if (!task->report)
		return task_end(task, HC_FAILED, task->why);
	note(task, false, "%s", task->why);
	finish(task);
}

/* -- what is here -------------------------------------------------------------------------------
 */

/* Certificates without clientAuth cannot renew themselves: RFC 5280 section 4.2.1.12. */
static bool may_renew_itself(X509 *leaf)
{
	return X509_check_purpose(leaf, X509_PURPOSE_SSL_CLIENT, 0) == 1;
}

static void look_at_certificate(struct task *task)
{
	X509 *leaf = pair_leaf(&task->pair);
	char until[TEXT_TIME_SIZE], due[TEXT_TIME_SIZE];
	int64_t from, to;

	task->report->stage = "certificate";
	if (task->pair.key_error == -EKEYREJECTED)
		return note(task, false,
			    "the key %s is encrypted, and key_password_file does not "
			    "open it",
			    task->ca->store.key);
	if (!leaf)
		return note(task, true, "none in place yet: %s", task->ca->store.cert);
	if (!task->pair.key || X509_check_private_key(leaf, task->pair.key) != 1) {
		ERR_clear_error();
		return note(task, true, "%s and %s are no pair; a new one would be enrolled",
			    task->ca->store.cert, task->ca->store.key);
	}
	chain_validity(leaf, &from, &to);
	if (!may_renew_itself(leaf) && !task->ca->options.acme.foreign)
		return note(task, false,
			    "it is not good for client authentication, so it cannot be renewed by "
			    "itself; check the provisioner's template");
	note(task, true, "valid until %s, renews at %s", text_time(to, until),
	     text_time(task->ca->due_at, due));
}

/* Both are read anew, as enrolling would: a token itself is made only there. */
static void look_at_x5c(struct task *task)
{
	const struct options *o = &task->ca->options;
	cleanup_with(pair_finish) struct pair pair = {0};
	cleanup_wiped struct secret password;
	char until[TEXT_TIME_SIZE];
	int64_t from, to;
	int r = secret_read(&password, task->ca->host, task->ca->ctx, "password_file");

	task->report->stage = "x5c_cert";
	if (r == 0)
		r = pair_read(&pair, o->x5c_cert, o->x5c_key, secret_text(&password));
	if (r < 0)
		return note(task, false, "cannot read %s and %s: %s", o->x5c_cert, o->x5c_key,
			    strerror(-r));
	if (r != PAIR_WHOLE)
		return note(task, false, "%s and %s are no certificate and its key", o->x5c_cert,
			    o->x5c_key);
	chain_validity(pair_leaf(&pair), &from, &to);
	if (to <= task->ca->host->now_wall())
		return note(task, false, "%s has expired on %s", o->x5c_cert, text_time(to, until));
	note(task, may_renew_itself(pair_leaf(&pair)),
	     "valid until %s, and so are at most the certificates it stands for; it must be good "
	     "for client authentication",
	     text_time(to, until));
}

static void look_at_lifetime(struct task *task)
{
	const struct ca_provisioner *p = &task->provisioner;
	int64_t wanted = task->ca->options.lifetime;
	char text[TEXT_TIME_SIZE], most[TEXT_TIME_SIZE];

	task->report->stage = "lifetime";
	if (wanted == 0)
		return note(task, true, "the CA's default");
	text_duration(wanted, text);
	if (p->max_lifetime && wanted > p->max_lifetime)
		return note(task, false, "%s is more than the %s that the provisioner allows", text,
			    text_duration(p->max_lifetime, most));
	if (wanted < p->min_lifetime)
		return note(task, false, "%s is less than the %s that the provisioner wants", text,
			    text_duration(p->min_lifetime, most));
	note(task, true, p->max_lifetime ? "%s, within the provisioner's claims" : "%s", text);
}

/* The CA publishes no policy: whether it allows them shows when it has to sign. */
static void look_at_names(struct task *task)
{
	const struct options *o = &task->ca->options;
	char text[512] = "";
	size_t len = 0;

	task->report->stage = "names";
	for (int i = 0; i < sk_GENERAL_NAME_num(o->names) && len < sizeof(text); i++) {
		cleanup_free char *name = name_text(sk_GENERAL_NAME_value(o->names, i));

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? ", " : "",
					name ? name : "?");
	}
	note(task, true,
	     "%s, as %s, is what would be asked for; the CA tells what it allows only when it "
	     "signs",
	     text, o->subject);
}

static void look_at_the_rest(struct task *task)
{
	look_at_lifetime(task);
	look_at_names(task);
	look_at_certificate(task);
	finish(task);
}

/* -- the credential ------------------------------------------------------------------------------
 */

static void key_is_open(struct task *task)
{
	note(task, true, "it opens the provisioner's key");
	look_at_the_rest(task);
}

static void provisioner_is_there(struct task *task)
{
	const struct options *o = &task->ca->options;

	if (o->credential == BY_X5C) {
		note(task, true, "%s is there, of type X5C", o->provisioner);
		look_at_x5c(task);
		return look_at_the_rest(task);
	}
	note(task, true, "%s is there, of type JWK, kid %s", o->provisioner, task->provisioner.kid);
	task->report->stage = "password";
	provisioner_open(task, key_is_open);
}

static void token_is_there(struct task *task, const char *token)
{
	(void)token;
	note(task, true, "there is one; whether the CA takes it shows when it has to sign");
	look_at_the_rest(task);
}

static void look_at_credential(struct task *task)
{
	switch (task->ca->options.credential) {
	case BY_PASSWORD:
	case BY_X5C:
		task->report->stage = "provisioner";
		return provisioner_find(task, provisioner_is_there);
	case BY_TOKEN_FILE:
	case BY_TOKEN_COMMAND:
		task->report->stage = "token";
		return ott_get(task, "/1.0/sign", task->ca->options.subject, token_is_there);
	case BY_ACME:
		return acme_check(task, look_at_the_rest);
	}
}

/* -- the CA ---------------------------------------------------------------------------------------
 */

static void look_at_clock(struct task *task, const struct http_reply *reply)
{
	int64_t skew = reply->date - task->ca->host->now_wall();
	int64_t size = skew < 0 ? -skew : skew;
	char text[TEXT_TIME_SIZE];

	task->report->stage = "clock";
	if (reply->date == 0)
		return note(task, true, "the CA does not tell its time");
	if (size < 2000) /* its Date has whole seconds */
		return note(task, true, "the CA's is the same as ours");
	note(task, size < SKEW_MAX, "the CA's is %s %s ours%s", text_duration(size, text),
	     skew < 0 ? "behind" : "ahead of",
	     size < SKEW_MAX ? "" : "; it would refuse our tokens: set the clocks");
}

static void on_health(void *data, const struct http_reply *reply)
{
	struct task *task = data;
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];
	char hex[65];

	if (task_judge(task, reply) != CA_DONE)
		return check_fail(task);
	pem_fingerprint(sk_X509_value(task->ca->roots, 0), fingerprint);
	pem_format_fingerprint(fingerprint, hex);
	note(task, true, "%s answers, verified by root %s", task->ca->options.url, hex);
	look_at_clock(task, reply);
	look_at_credential(task);
}

int check_open(struct task *task)
{
	task->report = calloc(1, sizeof(*task->report));
	if (!task->report)
		return -ENOMEM;
	task->report->stage = "CA";
	return 0;
}

void check_begin(struct task *task)
{
	if (task->ca->options.acme.foreign) /* only a step-ca has that */
		return look_at_credential(task);
	task_send(task, task->verified, "/health", NULL, NULL, on_health);
}
