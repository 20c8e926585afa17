/*
 * A token that a command prints: of an identity provider, a cloud's metadata, `step ca token`
 */
#include "common/mem.h"
#include "common/tail.h"
#include "stepca/csr.h"
#include "stepca/ott.h"
#include "stepca/secret.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>

enum { ENV_MAX = 5 };

/* What it wrote: the last line that looks like a token, and all others for the log. */
struct ott_command {
	hc_child *child;
	char *token;
	struct tail tail;
};

/* Three parts in base64url: a compact JWS (RFC 7515 section 7.1). */
static bool is_token(const char *line)
{
	static const char *const letters =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t part;

	for (int i = 0; i < 3; i++) {
		part = strspn(line, letters);
		if (part == 0 || line[part] != (i < 2 ? '.' : '\0'))
			return false;
		line += part + 1;
	}
	return true;
}

void ott_command_free(struct task *task)
{
	struct ott_command *c = task->ott_command;

	if (!c)
		return;
	task->ca->host->child_kill(c->child);
	if (c->token)
		OPENSSL_cleanse(c->token, strlen(c->token));
	free(c->token);
	free(c);
	task->ott_command = NULL;
}

static void on_line(void *data, const char *line)
{
	struct task *task = data;
	struct ott_command *c = task->ott_command;

	assert(task->magic == TASK_MAGIC);
	while (*line == ' ' || *line == '\t')
		line++;
	if (!is_token(line))
		return tail_add(&c->tail, line);
	if (c->token)
		OPENSSL_cleanse(c->token, strlen(c->token));
	free(c->token);
	c->token = strdup(line);
}

static void log_tail(const struct task *task, int level)
{
	const struct tail *tail = &task->ott_command->tail;

	for (size_t i = 0; i < tail_count(tail); i++)
		task->ca->host->log(task->ca->ctx, level, "%s: %s",
				    task->ca->options.token_command[0], tail_get(tail, i));
}

static void explain_exit(struct task *task, int32_t code)
{
	const char *name = task->ca->options.token_command[0];
	const char *last = tail_last(&task->ott_command->tail);
	const char *colon = *last ? ": " : "";

	if (code == 0)
		task_say(task, "token_command %s printed no token%s%s", name, colon, last);
	else if (code < 0)
		task_say(task, "token_command %s was killed by signal %d (%s)%s%s", name, -code,
			 strsignal(-code), colon, last);
	else
		task_say(task, "token_command %s exited with %d%s%s", name, code, colon, last);
}

static void on_exit_code(void *data, int32_t code)
{
	struct task *task = data;
	cleanup_secret char *token = NULL;

	assert(task->magic == TASK_MAGIC);
	task->ott_command->child = NULL;
	log_tail(task, code == 0 ? HC_LOG_DEBUG : HC_LOG_WARNING);
	if (code == 0)
		token = steal(&task->ott_command->token);
	if (!token)
		explain_exit(task, code);
	ott_command_free(task);
	if (!token)
		return task_fail(task, CA_RETRY, 0);
	ott_give(task, token, "what token_command printed");
}

static void env_free(char **env)
{
	for (size_t i = 0; i < ENV_MAX; i++)
		free(env[i]);
}

/* For what the command makes: whom it is for, and the digest to bind it to this request. */
static int env_fill(const struct task *task, char *env[static ENV_MAX + 1])
{
	cleanup_free char *confirmation = task->csr ? csr_confirmation(task->csr) : NULL;
	const struct options *o = &task->ca->options;
	int n = 0;

	if (asprintf(&env[n++], "HOTCERT_CA_URL=%s", o->url) < 0 ||
	    asprintf(&env[n++], "HOTCERT_AUDIENCE=%s%s", o->url, task->ott.path) < 0 ||
	    asprintf(&env[n++], "HOTCERT_SUBJECT=%s", task->ott.subject) < 0 ||
	    asprintf(&env[n++], "HOTCERT_PROVISIONER=%s", o->provisioner ? o->provisioner : "") <
		    0 ||
	    asprintf(&env[n++], "HOTCERT_CONFIRMATION=%s", confirmation ? confirmation : "") < 0) {
		env[n - 1] = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int spawn(struct task *task)
{
	char *env[ENV_MAX + 1] = {0};
	struct hc_spawn spawn = {
		.size = sizeof(spawn),
		.argv = (const char *const *)task->ca->options.token_command,
		.env = (const char *const *)env,
		.on_line = on_line,
		.on_exit = on_exit_code,
		.data = task,
	};
	int r = env_fill(task, env);

	if (r == 0)
		r = task->ca->host->spawn(task->ca->ctx, &spawn, &task->ott_command->child);
	env_free(env);
	return r;
}

void ott_run_command(struct task *task)
{
	int r;

	assert(!task->ott_command);
	task->ott_command = calloc(1, sizeof(*task->ott_command));
	r = task->ott_command ? spawn(task) : -ENOMEM;
	if (r < 0)
		task_fail_errno(task, r, "cannot run token_command %s",
				task->ca->options.token_command[0]);
}
