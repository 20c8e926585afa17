/*
 * main/command - what can be asked for through the control socket
 */
#include "main/command.h"

#include "base/log.h"
#include "base/mem.h"
#include "main/control.h"
#include "main/metrics.h"
#include "main/select.h"
#include "main/service.h"
#include "main/status.h"

#include <string.h>

struct engine *command_engine(const struct client *client)
{
	return client_service(client)->engine;
}

static void command_status(struct client *client, const struct request *request)
{
	struct engine *e = command_engine(client);
	const char *name = request->args[0];
	struct answer a = {0};
	struct str why = {0};

	answer_begin(&a, true);
	if (status_write(&a, e, name) || !name) {
		client_answer(client, &a);
		return;
	}
	answer_finish(&a);
	select_unknown(e, name, true, &why);
	client_fail(client, "%s", str_get(&why));
	str_finish(&why);
}

static void command_reload(struct client *client, const struct request *request)
{
	struct errors errors = {0};
	struct answer a = {0};
	int r = service_reload(client_service(client), &errors);

	(void)request;
	answer_begin(&a, r == 0);
	if (r)
		answer_text(&a, "error",
			    errors.n == 1 ? "the configuration is wrong; the one before runs on"
					  : "the configuration has errors; the one before runs on");
	answer_errors(&a, "errors", &errors);
	errors_finish(&errors);
	client_answer(client, &a);
}

/* By name any instance that can run, without a name those that have failed. */
static bool can_retry(const struct runner *r, const char *name)
{
	if (name)
		return r->state != RUNNER_REFUSED && r->state != RUNNER_WAITING;
	return r->state == RUNNER_RETRY || r->state == RUNNER_FAILED;
}

/* Wakes and counts them; the others of that name are listed with their state. */
static size_t retry_all(const struct generation *g, const char *name, struct answer *a,
			struct str *others)
{
	size_t n = 0;

	answer_array(a, "instances");
	for (size_t i = 0; i < g->config->n_instances; i++) {
		struct runner *r = g->runners[i];

		if (!select_runner(r, name))
			continue;
		if (!can_retry(r, name)) {
			str_addf(others, "%s%s is %s", others->len ? ", " : "", r->config->full,
				 runner_state_name(r->state));
			continue;
		}
		answer_text(a, NULL, r->config->full);
		runner_wake(r, RUNNER_MANUAL);
		n++;
	}
	answer_close(a);
	return n;
}

static void command_retry(struct client *client, const struct request *request)
{
	const char *name = request->args[0];
	struct answer a = {0};
	struct str others = {0};
	size_t n;

	answer_begin(&a, true);
	n = retry_all(command_engine(client)->generation, name, &a, &others);
	if (n || !name) { /* that nothing of all failed is no failure */
		client_answer(client, &a);
	} else if (others.len) {
		client_fail(client, "nothing to try: %s; `hotcertctl status` says why",
			    str_get(&others));
	} else {
		select_unknown(command_engine(client), name, false, &others);
		client_fail(client, "%s", str_get(&others));
	}
	answer_finish(&a);
	str_finish(&others);
}

static void command_metrics(struct client *client, const struct request *request)
{
	struct str text = {0};
	struct answer a = {0};

	(void)request;
	metrics_write(&text, command_engine(client));
	answer_begin(&a, true);
	answer_text(&a, "text", str_get(&text));
	a.text.failed |= text.failed;
	str_finish(&text);
	client_answer(client, &a);
}

static void command_version(struct client *client, const struct request *request)
{
	struct answer a = {0};

	(void)request;
	answer_begin(&a, true);
	answer_text(&a, "version", HC_VERSION);
	answer_int(&a, "abi_major", HC_ABI_MAJOR);
	answer_int(&a, "abi_minor", HC_ABI_MINOR);
	answer_int(&a, "pid", getpid());
	client_answer(client, &a);
}

/* ---- the table ---- */

static const struct command {
	const char *name;
	uint32_t min_args;
	uint32_t max_args;
	bool acts;  /* it changes something: who asked is logged */
	bool waits; /* it may answer later */
	void (*run)(struct client *client, const struct request *request);
} commands[] = {
	{"status", 0, 1, false, false, command_status},
	{"reload", 0, 0, true, false, command_reload},
	{"sync", 0, 0, false, true, command_sync},
	{"renew", 1, 1, true, true, command_renew},
	{"retry", 0, 1, true, false, command_retry},
	{"do", 1, REQUEST_ARGS_MAX, true, true, command_do},
	{"metrics", 0, 0, false, false, command_metrics},
	{"wait-expiry", 0, 1, false, true, command_wait_expiry},
	{"version", 0, 0, false, false, command_version},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* Arguments are the plugin's business and may be private: only the first, a name, is logged. */
static void log_peer(const struct client *client, const struct request *request)
{
	log_notice("%s%s%s: asked for by user %d, process %d", request->cmd,
		   request->n_args ? " " : "", request->n_args ? request->args[0] : "",
		   (int)client->peer.uid, (int)client->peer.pid);
}

void command_run(struct client *client, const struct request *request)
{
	const struct command *command = find_command(request->cmd);

	if (!command) {
		client_fail(client, "there is no command \"%s\" in hotcertd %s", request->cmd,
			    HC_VERSION);
	} else if (request->n_args < command->min_args || request->n_args > command->max_args) {
		client_fail(client, "%s takes %u to %u arguments, not %u", command->name,
			    command->min_args, command->max_args, request->n_args);
	} else if (command->waits && control_busy(client->control)) {
		client_fail(client, "busy: %d clients wait already; try again later",
			    CONTROL_WAITING_MAX);
	} else {
		if (command->acts)
			log_peer(client, request);
		command->run(client, request);
	}
}
