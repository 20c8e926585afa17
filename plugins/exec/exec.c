/*
 * exec - runs a command when the files of a watch have changed
 *
 * The target has no state of its own that could be looked at, so what was done is remembered: the
 * digest of the last snapshot that the command ended well for. It is forgotten before the command
 * starts, so a run that a crash cut short is repeated.
 */
#include <assert.h>
#include <errno.h>
#include <hotcert/plugin.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/tail.h"
#include "common/words.h"
#include "exec/describe.h"

#define EXEC_MAGIC 0x65786563u
#define EXIT_TEMPFAIL 75  /* EX_TEMPFAIL of sysexits.h */
#define APPLIED "applied" /* state: the digest of the last success */

struct exec {
	unsigned magic;
	const struct hc_host *host;
	hc_ctx *ctx;
	char **argv;
	const char *user;  /* NULL: the daemon's */
	const char *group; /* NULL: the user's */

	/* The newest snapshot seen: kept for `run`, whose caller has none. */
	char **env; /* NULL: none yet */
	uint8_t digest[DESCRIBE_DIGEST];

	/* The run under way. */
	hc_job job;
	hc_child *child; /* NULL: none */
	int64_t started; /* monotonic */
	struct tail *tail;
};

static bool is_applied(struct exec *e)
{
	uint8_t last[DESCRIBE_DIGEST];

	return e->host->state_get(e->ctx, APPLIED, last, sizeof(last)) == sizeof(last) &&
	       memcmp(last, e->digest, sizeof(last)) == 0;
}

static void remember(struct exec *e)
{
	int32_t r = e->host->state_set(e->ctx, APPLIED, e->digest, sizeof(e->digest));

	if (r < 0)
		e->host->log(
			e->ctx, HC_LOG_WARNING,
			"cannot save that the command was run (%s): it will be run again after "
			"a restart",
			strerror(-r));
}

static int32_t forget(struct exec *e)
{
	if (e->host->state_get(e->ctx, APPLIED, NULL, 0) == -ENOENT)
		return 0;
	return e->host->state_set(e->ctx, APPLIED, NULL, 0);
}

static void log_output(struct exec *e, int32_t level)
{
	for (size_t i = 0; i < tail_count(e->tail); i++)
		e->host->log(e->ctx, level, "%s: %s", e->argv[0], tail_get(e->tail, i));
}

static void run_finish(struct exec *e)
{
	e->child = NULL;
	free(e->tail);
	e->tail = NULL;
}

static void on_line(void *data, const char *line)
{
	struct exec *e = data;

	assert(e->magic == EXEC_MAGIC);
	tail_add(e->tail, line);
}

/* Says how the command failed; its last line is most often the reason. */
static void job_failed(struct exec *e, int32_t code)
{
	int32_t status = code == EXIT_TEMPFAIL ? HC_RETRY : HC_FAILED;
	const char *last = tail_last(e->tail);
	const char *colon = *last ? ": " : "";

	if (code < 0)
		e->host->job_done(e->job, status, "%s was killed by signal %d (%s)%s%s", e->argv[0],
				  -code, strsignal(-code), colon, last);
	else
		e->host->job_done(e->job, status, "%s exited with %d%s%s", e->argv[0], code, colon,
				  last);
}

static void on_exit_code(void *data, int32_t code)
{
	struct exec *e = data;

	assert(e->magic == EXEC_MAGIC);
	log_output(e, code ? HC_LOG_WARNING : HC_LOG_INFO);
	if (code == 0) {
		remember(e);
		e->host->job_done(e->job, HC_OK, "ran %s", e->argv[0]);
	} else {
		job_failed(e, code);
	}
	run_finish(e);
}

/* Ends the job at once where the command cannot be started. */
static void job_not_started(struct exec *e, int32_t r)
{
	int32_t status =
		r == -EAGAIN || r == -ENOMEM || r == -EMFILE || r == -ENFILE ? HC_RETRY : HC_FAILED;

	e->host->job_done(e->job, status, "cannot run %s%s%s%s%s: %s", e->argv[0],
			  e->user ? " as user " : "", e->user ? e->user : "",
			  e->group ? " with group " : "", e->group ? e->group : "", strerror(-r));
}

static int32_t run(struct exec *e, hc_job job)
{
	struct hc_spawn spawn = {
		.size = sizeof(spawn),
		.argv = (const char *const *)e->argv,
		.env = (const char *const *)e->env,
		.user = e->user,
		.group = e->group,
		.on_line = on_line,
		.on_exit = on_exit_code,
		.data = e,
	};
	int32_t r = forget(e);

	if (r < 0)
		return r;
	e->tail = calloc(1, sizeof(*e->tail));
	if (!e->tail)
		return -ENOMEM;
	e->job = job;
	e->started = e->host->now_mono();
	r = e->host->spawn(e->ctx, &spawn, &e->child);
	if (r < 0) {
		job_not_started(e, r);
		run_finish(e);
	}
	return 0;
}

static int32_t exec_apply(void *instance, const struct hc_snapshot *snapshot, hc_job job)
{
	struct exec *e = instance;
	uint8_t digest[DESCRIBE_DIGEST];
	char **env;

	assert(e->magic == EXEC_MAGIC);
	if (e->child)
		return -EBUSY;
	if (describe_digest(snapshot, e->argv, e->user, e->group, digest) < 0)
		return -ENOMEM;
	env = describe_env(snapshot, e->host->name(e->ctx));
	if (!env)
		return -ENOMEM;
	describe_free(e->env);
	e->env = env;
	memcpy(e->digest, digest, sizeof(digest));
	if (!is_applied(e))
		return run(e, job);
	e->host->job_done(job, HC_SAME, "%s has been run for these files", e->argv[0]);
	return 0;
}

static void exec_cancel(void *instance, hc_job job)
{
	struct exec *e = instance;

	assert(e->magic == EXEC_MAGIC);
	if (!e->child || e->job != job)
		return;
	log_output(e, HC_LOG_WARNING);
	e->host->log(e->ctx, HC_LOG_WARNING, "%s was still running after %lld ms and is killed",
		     e->argv[0], (long long)(e->host->now_mono() - e->started));
	e->host->child_kill(e->child);
	run_finish(e);
}

static int32_t exec_action(void *instance, const char *name, uint32_t argc, const char *const *argv,
			   hc_job job)
{
	struct exec *e = instance;

	(void)name; /* the table has one */
	(void)argv;
	assert(e->magic == EXEC_MAGIC);
	if (argc > 0)
		return -EINVAL;
	if (e->child)
		return -EBUSY;
	if (e->env)
		return run(e, job);
	e->host->job_done(job, HC_FAILED, "there was no whole set of files to run %s for yet",
			  e->argv[0]);
	return 0;
}

static void exec_status(void *instance)
{
	struct exec *e = instance;

	assert(e->magic == EXEC_MAGIC);
	if (e->child)
		e->host->status_add(e->ctx, "command", "%s, running for %lld ms", e->argv[0],
				    (long long)(e->host->now_mono() - e->started));
	else
		e->host->status_add(e->ctx, "command", "%s", e->argv[0]);
}

static void exec_destroy(void *instance)
{
	struct exec *e = instance;

	assert(e->magic == EXEC_MAGIC);
	if (e->child)
		e->host->child_kill(e->child);
	run_finish(e);
	describe_free(e->env);
	free(e->argv);
	e->magic = 0;
	free(e);
}

static int32_t exec_create(const struct hc_host *host, hc_ctx *ctx, void **ret_instance)
{
	const char *why = NULL;
	char **argv = NULL;
	struct exec *e;
	int r = words_split(host->opt_string(ctx, "command"), &argv, &why);

	if (r == -EINVAL)
		host->opt_error(ctx, "command", "%s", why);
	if (r < 0)
		return r;
	e = calloc(1, sizeof(*e));
	if (!e) {
		free(argv);
		return -ENOMEM;
	}
	e->magic = EXEC_MAGIC;
	e->host = host;
	e->ctx = ctx;
	e->argv = argv;
	e->user = host->opt_string(ctx, "user");
	e->group = host->opt_string(ctx, "group");
	*ret_instance = e;
	return 0;
}

static const struct hc_option options[] = {
	{"command", HC_OPT_STRING, HC_OPT_REQUIRED, NULL, NULL,
	 "program and arguments, quoted as in sh but run without a shell"},
	{"user", HC_OPT_STRING, 0, NULL, NULL,
	 "user to run it as; the daemon's where it is not given"},
	{"group", HC_OPT_STRING, 0, NULL, NULL,
	 "group to run it with; the user's where it is not given"},
};

static const struct hc_action actions[] = {
	{"run", NULL, "run the command now, whether anything has changed or not"},
};

HC_PLUGIN_DEFINE(.name = "exec", .version = HC_VERSION,
		 .summary = "runs a command when certificates have changed", .timeout_ms = 60000,
		 HC_OPTIONS(options), HC_ACTIONS(actions), .create = exec_create,
		 .destroy = exec_destroy, .apply = exec_apply, .cancel = exec_cancel,
		 .action = exec_action, .status = exec_status);
