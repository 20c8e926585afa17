#include "stepca/acme_hook.h"

#include "common/mem.h"
#include "common/tail.h"
#include "stepca/stepca.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define HOOK_MAGIC 0x61686f6fU

struct acme_hook {
	uint32_t magic;
	struct stepca *ca;
	char *what; /* "dns_hook PROGRAM present _acme-challenge.NAME." */
	hc_child *child;
	hc_timer *timer;
	struct tail tail;
	acme_hook_fn fn;
	void *data;
	struct acme_hook **place; /* where the caller keeps us */
};

static void hook_free(struct acme_hook *hook)
{
	const struct hc_host *host = hook->ca->host;

	host->child_kill(hook->child);
	host->timer_remove(hook->timer);
	free(hook->what);
	hook->magic = 0;
	free(hook);
}

void acme_hook_cancel(struct acme_hook *hook)
{
	if (!hook)
		return;
	assert(hook->magic == HOOK_MAGIC);
	*hook->place = NULL;
	hook_free(hook);
}

/* Its last call. error: without the command's name; NULL: it ended well. */
static void hook_end(struct acme_hook *hook, const char *error)
{
	acme_hook_fn fn = hook->fn;
	void *data = hook->data;
	const char *last = tail_last(&hook->tail);
	char text[600];

	snprintf(text, sizeof(text), "%s: %s%s%.200s", hook->what, error ? error : "",
		 *last ? ": " : "", last);
	*hook->place = NULL;
	hook_free(hook);
	fn(data, error ? text : NULL);
}

static void on_line(void *data, const char *line)
{
	struct acme_hook *hook = data;

	assert(hook->magic == HOOK_MAGIC);
	hook->ca->host->log(hook->ca->ctx, HC_LOG_INFO, "dns_hook: %s", line);
	tail_add(&hook->tail, line);
}

static void on_exit_code(void *data, int32_t code)
{
	struct acme_hook *hook = data;
	char error[80];

	assert(hook->magic == HOOK_MAGIC);
	hook->child = NULL;
	if (code < 0)
		snprintf(error, sizeof(error), "killed by signal %d", -code);
	else
		snprintf(error, sizeof(error), "exited with %d", code);
	hook_end(hook, code == 0 ? NULL : error);
}

static void on_timeout(void *data)
{
	struct acme_hook *hook = data;

	assert(hook->magic == HOOK_MAGIC);
	hook_end(hook, "is still running after dns_timeout, and was killed");
}

/* The configured words with three more behind them. Free with free(3). */
static const char **argv_of(char *const *words, const char *action, const char *record,
			    const char *value)
{
	size_t n = 0;
	const char **argv;

	while (words[n])
		n++;
	argv = calloc(n + 4, sizeof(*argv));
	if (!argv)
		return NULL;
	for (size_t i = 0; i < n; i++)
		argv[i] = words[i];
	argv[n] = action;
	argv[n + 1] = record;
	argv[n + 2] = value;
	return argv;
}

static int hook_start(struct acme_hook *hook, const char *const *argv)
{
	struct hc_spawn spawn = {
		.size = sizeof(spawn),
		.argv = argv,
		.on_line = on_line,
		.on_exit = on_exit_code,
		.data = hook,
	};
	const struct stepca *ca = hook->ca;

	hook->timer = ca->host->timer_add(ca->ctx, ca->options.acme.dns_timeout, on_timeout, hook);
	if (!hook->timer)
		return -ENOMEM;
	return ca->host->spawn(ca->ctx, &spawn, &hook->child);
}

int acme_hook_run(struct stepca *ca, const char *action, const char *record, const char *value,
		  acme_hook_fn fn, void *data, struct acme_hook **ret)
{
	struct acme_hook *hook = calloc(1, sizeof(*hook));
	cleanup_free const char **argv = argv_of(ca->options.acme.dns_hook, action, record, value);
	int r;

	if (!hook || !argv ||
	    asprintf(&hook->what, "dns_hook %s %s %s", argv[0], action, record) < 0) {
		free(hook);
		return -ENOMEM;
	}
	hook->magic = HOOK_MAGIC;
	hook->ca = ca;
	hook->fn = fn;
	hook->data = data;
	hook->place = ret;
	*ret = hook;
	r = hook_start(hook, argv);
	if (r < 0)
		hook_end(hook, strerror(-r));
	return 0;
}
