/*
 * `hotcertctl do stepca:NAME check` over ACME: the server, the account, and whether a proof could
 * be put up. Whether the CA sees it shows only in an order.
 */
#include "stepca/acme_core.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void look_at_account(struct acme *acme)
{
	const struct acme_directory *d = &acme->directory;
	const struct acme_account *account = &acme->account;
	int r = acme_account_load(acme->task->ca, &acme->account);

	if (r == 0 && account->url && account->directory &&
	    strcmp(account->directory, acme->options->directory) == 0)
		return check_note(acme->task, "account", true, "%s", account->url);
	if (d->terms && !acme->options->agree_tos)
		return check_note(acme->task, "account", false,
				  "there is none yet, and the CA has terms of service: %.300s; "
				  "read them, and set acme_agree_tos = yes where you agree",
				  d->terms);
	if (d->binding_required && !acme->options->eab_kid)
		return check_note(acme->task, "account", false,
				  "there is none yet, and the CA takes only those it knows; get a "
				  "key id and a MAC key from it, for acme_eab_kid and "
				  "acme_eab_key_file");
	check_note(acme->task, "account", true, "none yet; the first order makes one");
}

static void look_at_webroot(struct acme *acme)
{
	const char *webroot = acme->options->webroot;

	if (access(webroot, W_OK | X_OK) < 0)
		return check_note(acme->task, "webroot", false, "cannot write in %s: %s", webroot,
				  strerror(errno));
	check_note(acme->task, "webroot", true,
		   "%s can be written; the web server must serve it on port 80 of each name",
		   webroot);
}

static void look_at_listener(struct acme *acme, const char *key, const char *address,
			     const struct acme_protocol *protocol)
{
	const struct stepca *ca = acme->task->ca;
	int r = acme_guest_join(ca->host, ca->ctx, address, protocol, &acme->guest);

	if (r < 0)
		return check_note(acme->task, key, false, "cannot listen on %s: %s", address,
				  strerror(-r));
	acme_guest_leave(acme->guest);
	acme->guest = NULL;
	check_note(acme->task, key, true,
		   "%s is free; the CA must get there by port %s of each name", address,
		   protocol == &acme_http_protocol ? "80" : "443");
}

static void look_at_hook(struct acme *acme)
{
	const char *program = acme->options->dns_hook[0];

	if (strchr(program, '/') && access(program, X_OK) < 0)
		return check_note(acme->task, "dns_hook", false, "cannot run %s: %s", program,
				  strerror(errno));
	check_note(acme->task, "dns_hook", true, "%s would be run for each name", program);
}

static void look_at_challenge(struct acme *acme)
{
	const struct acme_options *o = acme->options;

	switch (o->challenge) {
	case ACME_HTTP_01:
		if (o->webroot)
			return look_at_webroot(acme);
		return look_at_listener(acme, "http_listen", o->http_listen, &acme_http_protocol);
	case ACME_TLS_ALPN_01:
		return look_at_listener(acme, "tls_listen", o->tls_listen, &acme_tls_protocol);
	case ACME_DNS_01:
		return look_at_hook(acme);
	case ACME_NONE:
		break;
	}
}

static void on_directory(struct acme *acme, const struct http_reply *reply)
{
	int r = acme_directory_parse(reply, &acme->directory);

	if (r < 0)
		return acme_fail_reply(acme, r, reply);
	check_note(acme->task, "directory", true, "%s answers", acme->options->directory);
	look_at_account(acme);
	look_at_challenge(acme);
	acme->checked(acme->task);
}

void acme_check(struct task *task, void (*then)(struct task *task))
{
	struct acme *acme = acme_create(task);

	if (!acme)
		return task_fail_errno(task, -ENOMEM, "cannot ask the CA");
	acme->checked = then;
	acme_get(acme, acme->options->directory, on_directory);
}
