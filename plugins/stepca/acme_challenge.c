/*
 * Proofs put up where the CA will look: a file in a webroot, a listener of our own, a DNS record
 */
#include "common/mem.h"
#include "stepca/acme_core.h"
#include "stepca/acme_proof.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define WELL_KNOWN "/.well-known"
#define CHALLENGES WELL_KNOWN "/acme-challenge"

static const struct acme_authz *current(const struct acme *acme)
{
	return &acme->authz[acme->at];
}

/* -- a file in a webroot (RFC 8555 section 8.3) ---------------------------------------------- */

/* Makes the directories that are missing; the webroot itself must be there. */
static int make_directories(const char *webroot)
{
	static const char *const parts[] = {WELL_KNOWN, CHALLENGES};
	int r = 0;

	for (size_t i = 0; i < 2 && r == 0; i++) {
		cleanup_free char *path = NULL;

		if (asprintf(&path, "%s%s", webroot, parts[i]) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		if (mkdir(path, 0755) == 0)
			r = chmod(path, 0755) < 0 ? -errno : 0; /* whatever our umask is */
		else if (errno != EEXIST)
			r = -errno;
	}
	return r;
}

static int write_file(const struct stepca *ca, const char *path, const char *text)
{
	struct hc_replace replace = {
		.size = sizeof(replace),
		.path = path,
		.data = text,
		.len = strlen(text),
		.mode = 0644,
		.uid = (uint32_t)-1,
		.gid = (uint32_t)-1,
	};

	return ca->host->replace(ca->ctx, &replace);
}

static void put_up_file(struct acme *acme, const char *text, void (*then)(struct acme *))
{
	struct stepca *ca = acme->task->ca;
	const char *webroot = acme->options->webroot;
	cleanup_free char *path = NULL;
	int r = make_directories(webroot);

	/* acme_object.c has seen to it that a token is no path. */
	if (r == 0 && asprintf(&path, "%s" CHALLENGES "/%s", webroot, current(acme)->token) < 0) {
		path = NULL;
		r = -ENOMEM;
	}
	if (r == 0)
		r = acme_ledger_add_file(ca, path);
	if (r == 0)
		r = write_file(ca, path, text);
	if (r < 0)
		return task_fail_errno(acme->task, r, "cannot write in webroot %s" CHALLENGES,
				       webroot);
	then(acme);
}

/* -- a listener of our own ------------------------------------------------------------------- */

static void explain_listening(struct acme *acme, const char *address, int error)
{
	const char *key = acme->options->challenge == ACME_HTTP_01 ? "http_listen" : "tls_listen";

	switch (error) {
	case -EADDRINUSE:
		task_say(acme->task,
			 "cannot listen on %s = %s: another program does; let it hand the CA's "
			 "checks on to another port, and name that%s",
			 key, address,
			 acme->options->challenge == ACME_HTTP_01 ? ", or use its webroot" : "");
		break;
	case -EACCES:
		task_say(acme->task,
			 "cannot listen on %s = %s: %s; the drop-in hotcertd.service.d/acme.conf "
			 "gives the right to",
			 key, address, strerror(-error));
		break;
	case -EINVAL:
		task_say(acme->task,
			 "cannot listen on %s = %s: another section uses it for another kind of "
			 "challenge; give it a port of its own",
			 key, address);
		break;
	default:
		return task_fail_errno(acme->task, error, "cannot listen on %s = %s", key, address);
	}
	task_fail(acme->task, CA_RETRY, 0);
}

static void put_up_answer(struct acme *acme, const struct acme_answer *answer,
			  void (*then)(struct acme *))
{
	const struct stepca *ca = acme->task->ca;
	bool http = acme->options->challenge == ACME_HTTP_01;
	const char *address = http ? acme->options->http_listen : acme->options->tls_listen;
	int r = 0;

	if (!acme->guest)
		r = acme_guest_join(ca->host, ca->ctx, address,
				    http ? &acme_http_protocol : &acme_tls_protocol, &acme->guest);
	if (r == 0)
		r = acme_guest_add(acme->guest, answer);
	if (r < 0)
		return explain_listening(acme, address, r);
	then(acme);
}

static void put_up_certificate(struct acme *acme, const char *text, void (*then)(struct acme *))
{
	const struct acme_authz *z = current(acme);
	cleanup_free char *name = acme_server_name(z->name, z->is_ip);
	struct acme_answer answer = {.key = name};
	int r = name ? acme_proof_certificate(z->name, z->is_ip, text,
					      acme->task->ca->host->now_wall(), &answer.cert,
					      &answer.private_key)
		     : -ENOMEM;

	if (r < 0)
		return task_fail_errno(acme->task, r, "cannot make a certificate to prove %s",
				       z->name);
	put_up_answer(acme, &answer, then);
	X509_free(answer.cert);
	EVP_PKEY_free(answer.private_key);
}

/* -- a record in the DNS (section 8.4) ------------------------------------------------------- */

static void on_record(void *data, const char *error)
{
	struct acme *acme = data;

	assert(acme->magic == ACME_MAGIC);
	if (!error)
		return acme->after(acme);
	task_say(acme->task, "%s; it must put the record into the zone, and exit with 0", error);
	task_fail(acme->task, CA_DENIED, 0);
}

static void put_up_record(struct acme *acme, const char *text, void (*then)(struct acme *))
{
	struct stepca *ca = acme->task->ca;
	cleanup_free char *record = NULL, *value = acme_dns_value(text);
	int r = value ? 0 : -ENOMEM;

	if (asprintf(&record, "_acme-challenge.%s.", current(acme)->name) < 0) {
		record = NULL;
		r = -ENOMEM;
	}
	if (r == 0)
		r = acme_ledger_add_record(ca, record, value);
	acme->after = then;
	if (r == 0)
		r = acme_hook_run(ca, "present", record, value, on_record, acme, &acme->hook);
	if (r < 0)
		task_fail_errno(acme->task, r, "cannot run dns_hook");
}

/* ----------------------------------------------------------------------------------------------------
 */

void acme_challenge_put_up(struct acme *acme, void (*then)(struct acme *acme))
{
	const char *token = current(acme)->token;
	cleanup_free char *text = acme_key_authorization(token, acme->thumbprint);

	if (!text)
		return task_fail_errno(acme->task, -ENOMEM, "cannot prove a name");
	switch (acme->options->challenge) {
	case ACME_HTTP_01:
		if (acme->options->webroot)
			return put_up_file(acme, text, then);
		return put_up_answer(acme, &(struct acme_answer){.key = token, .content = text},
				     then);
	case ACME_TLS_ALPN_01:
		return put_up_certificate(acme, text, then);
	case ACME_DNS_01:
		return put_up_record(acme, text, then);
	case ACME_NONE:
		break;
	}
}

void acme_challenge_take_down(struct acme *acme)
{
	acme_guest_leave(acme->guest);
	acme->guest = NULL;
	acme_hook_cancel(acme->hook);
	acme_ledger_settle(acme->task->ca, NULL, NULL);
}
