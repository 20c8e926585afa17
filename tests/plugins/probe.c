/*
 * probe - writes down each call of apply() and then behaves, or misbehaves, as its section says
 *
 * One line of JSON a call goes to `record`, a file or a FIFO: the monotonic clock in nanoseconds at
 * the entry of apply(), generation, state, and the files with their digests. Without `record` it is
 * silent.
 */
#include "record.h"

#include <hotcert/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef PROBE_NAME
#define PROBE_NAME "probe"
#define PROBE_FLAGS 0
#endif

struct probe {
	const struct hc_host *host;
	hc_ctx *ctx;
	const char *record;
	unsigned applied;
	hc_job job;	 /* that something else will end */
	hc_job late;	 /* that was cancelled, and will be ended all the same */
	hc_timer *timer; /* ends job */
	hc_alarm *alarm; /* the same on the wall clock */
	int fds[2];	 /* a pipe, made when it is needed: the same by a descriptor */
	hc_io *io;
};

static const struct hc_option options[] = {
	{.name = "record", .type = HC_OPT_PATH, .help = "Where to write a line for each call"},
	{.name = "behave",
	 .type = HC_OPT_CHOICE,
	 .def = "ok",
	 .choices = "ok timer alarm io thread child never twice late confess error retry "
		    "failed percent spin unless leave",
	 .help = "What apply() does: ok ends the job inside of it"},
	{.name = "delay", .type = HC_OPT_DURATION, .def = "50ms", .help = "For timer, alarm, late"},
	{.name = "unless",
	 .type = HC_OPT_PATH,
	 .help = "For unless and timer: retry while this exists"},
	{.name = "wait",
	 .type = HC_OPT_DURATION,
	 .def = "0",
	 .help = "For unless: at least so long"},
	{.name = "create",
	 .type = HC_OPT_CHOICE,
	 .def = "ok",
	 .choices = "ok fail invalid",
	 .help = "What create() does"},
	{.name = "password_file", .type = HC_OPT_SECRET, .help = "Read at create()"},
	{.name = "number", .type = HC_OPT_INTEGER, .def = "1", .help = "Anything"},
	{.name = "flag", .type = HC_OPT_BOOL, .def = "no", .help = "Anything"},
	{.name = "part", .type = HC_OPT_PERCENT, .def = "50%", .help = "Anything"},
	{.name = "share", .type = HC_OPT_SHARE, .def = "66%", .help = "Anything"},
	{.name = "words", .type = HC_OPT_LIST, .help = "Anything"},
	{.name = "text", .type = HC_OPT_STRING, .def = "", .help = "Shown in status"},
};

static const struct hc_action actions[] = {
	{.name = "note", .args = "[WORD...]", .help = "Says the words again"},
	{.name = "hang", .help = "Never ends"},
	{.name = "refuse", .help = "Is not begun"},
};

static void end_unless(struct probe *p)
{
	const char *path = p->host->opt_string(p->ctx, "unless");

	if (!path || access(path, F_OK) < 0) {
		p->host->job_done(p->job, HC_OK, "done");
		return;
	}
	if (p->host->opt_is_set(p->ctx, "wait"))
		p->host->job_delay(p->job, p->host->opt_int(p->ctx, "wait"), -1);
	p->host->job_done(p->job, HC_RETRY, "%s is still there", path);
}

static void end_job(void *data)
{
	struct probe *p = data;

	if (p->host->opt_is_set(p->ctx, "unless"))
		end_unless(p);
	else
		p->host->job_done(p->late ? p->late : p->job, HC_OK, "done, later");
}

static void end_job_io(void *data, uint32_t events)
{
	struct probe *p = data;

	(void)events;
	p->host->io_remove(p->io);
	p->io = NULL;
	end_job(p);
}

static void end_job_child(void *data, int32_t code)
{
	struct probe *p = data;

	p->host->job_done(p->job, code == 3 ? HC_OK : HC_FAILED, "the child said %d", (int)code);
}

static void say_line(void *data, const char *line)
{
	struct probe *p = data;

	p->host->log(p->ctx, HC_LOG_NOTICE, "child: %s", line);
}

static void end_job_post(void *data, uint32_t alive)
{
	if (alive)
		end_job(data);
}

static void *run_thread(void *post_and_host)
{
	void **args = post_and_host;
	const struct hc_host *host = args[0];

	host->post_send(args[1]);
	free(args);
	return NULL;
}

static int32_t start_thread(struct probe *p)
{
	void **args = calloc(2, sizeof(*args));
	pthread_t thread;

	if (!args)
		return -ENOMEM;
	args[0] = (void *)(uintptr_t)p->host;
	args[1] = p->host->post_open(p->ctx, end_job_post, p);
	if (pthread_create(&thread, NULL, run_thread, args)) {
		run_thread(args);
		return -EAGAIN;
	}
	return pthread_detach(thread) ? -EINVAL : 0;
}

static int32_t start_child(struct probe *p)
{
	static const char *const argv[] = {"sh", "-c", "echo $PROBE; exit 3", NULL};
	static const char *const env[] = {"PROBE=hello from the child", NULL};
	struct hc_spawn spawn = {.size = sizeof(spawn),
				 .argv = argv,
				 .env = env,
				 .on_line = say_line,
				 .on_exit = end_job_child,
				 .data = p};
	hc_child *child;

	return p->host->spawn(p->ctx, &spawn, &child);
}

static int32_t start_io(struct probe *p)
{
	if (p->io)
		return -EBUSY;
	if (p->fds[0] < 0 && pipe2(p->fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	p->io = p->host->io_add(p->ctx, p->fds[0], HC_IO_READ, end_job_io, p);
	return write(p->fds[1], "x", 1) == 1 ? 0 : -errno;
}

/* What a careless plugin does: texts that are formats, and a format that writes to memory. */
static void log_percent(struct probe *p)
{
	int written = 0;
	char format[] = "a format in writable memory%n%s%n";

	p->host->log(p->ctx, HC_LOG_NOTICE, "%s", "%n%s%n%1000000d as text");
	p->host->log(p->ctx, HC_LOG_NOTICE, "counted%n", &written);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	p->host->log(p->ctx, HC_LOG_NOTICE, format, &written, "", &written);
#pragma GCC diagnostic pop
	p->host->job_done(p->job, HC_OK, "%s", "%n%s%n as text");
}

static void spin(int64_t ns)
{
	int64_t until = clock_ns() + ns;

	while (clock_ns() < until)
		;
}

/* Behaviours that leave nothing behind when apply() returns. */
static int32_t behave_now(struct probe *p, const char *how)
{
	if (strcmp(how, "ok") == 0) {
		p->host->job_done(p->job, HC_OK, "done");
	} else if (strcmp(how, "twice") == 0) {
		p->host->job_done(p->job, HC_OK, "the first time");
		p->host->job_done(p->job, HC_FAILED, "the second time");
		p->host->timer_set(p->timer, 0);
	} else if (strcmp(how, "retry") == 0) {
		p->host->job_done(p->job, HC_RETRY, "again please");
	} else if (strcmp(how, "failed") == 0) {
		p->host->job_done(p->job, HC_FAILED, "this will never work");
	} else if (strcmp(how, "unless") == 0) {
		end_unless(p);
	} else if (strcmp(how, "percent") == 0) {
		log_percent(p);
	} else if (strcmp(how, "spin") == 0) {
		spin(2000000000LL);
		p->host->job_done(p->job, HC_OK, "done, slowly");
	} else {
		return -EIO; /* "error" */
	}
	return 0;
}

static int32_t behave(struct probe *p, const char *how)
{
	int64_t delay_ms = p->host->opt_int(p->ctx, "delay");

	if (strcmp(how, "never") == 0 || strcmp(how, "late") == 0 || strcmp(how, "confess") == 0)
		return 0;
	if (strcmp(how, "timer") == 0)
		p->host->timer_set(p->timer, delay_ms);
	else if (strcmp(how, "alarm") == 0)
		p->host->alarm_set(p->alarm, p->host->now_wall() + delay_ms);
	else if (strcmp(how, "io") == 0 || strcmp(how, "leave") == 0)
		return start_io(p);
	else if (strcmp(how, "thread") == 0)
		return start_thread(p);
	else if (strcmp(how, "child") == 0)
		return start_child(p);
	else
		return behave_now(p, how);
	return 0;
}

static int32_t apply(void *instance, const struct hc_snapshot *snapshot, hc_job job)
{
	struct probe *p = instance;

	if (p->record)
		record(p->host, p->ctx, p->record, snapshot);
	p->applied++;
	p->job = job;
	return behave(p, p->host->opt_string(p->ctx, "behave"));
}

/* One says why it was slow, a late one ends its job after all has been said. */
static void cancel(void *instance, hc_job job)
{
	struct probe *p = instance;
	const char *how = p->host->opt_string(p->ctx, "behave");

	p->host->log(p->ctx, HC_LOG_NOTICE, "job cancelled");
	p->late = strcmp(how, "late") == 0 ? job : 0;
	if (strcmp(how, "confess") == 0)
		p->host->job_done(job, HC_RETRY, "the target was slow");
	else if (p->late)
		p->host->timer_set(p->timer, p->host->opt_int(p->ctx, "delay"));
}

static int32_t action(void *instance, const char *name, uint32_t argc, const char *const *argv,
		      hc_job job)
{
	struct probe *p = instance;

	if (strcmp(name, "refuse") == 0)
		return -EPERM;
	if (strcmp(name, "hang") == 0)
		return 0;
	p->host->job_done(job, HC_OK, "%u words: %s", (unsigned)argc, argc ? argv[argc - 1] : "");
	return 0;
}

static void status(void *instance)
{
	struct probe *p = instance;

	p->host->status_add(p->ctx, "applied", "%u", p->applied);
	p->host->status_add(p->ctx, "text", "%s", p->host->opt_string(p->ctx, "text"));
}

/* "leave" leaves its watchers to the host, and asks for more to do. */
static void destroy(void *instance)
{
	struct probe *p = instance;

	if (strcmp(p->host->opt_string(p->ctx, "behave"), "leave") != 0) {
		p->host->io_remove(p->io);
		p->host->timer_remove(p->timer);
		p->host->alarm_remove(p->alarm);
	} else {
		p->host->request(p->ctx);
	}
	for (int i = 0; i < 2; i++)
		if (p->fds[i] >= 0)
			close(p->fds[i]);
	free(p);
}

static int32_t check_create(const struct hc_host *host, hc_ctx *ctx)
{
	const char *how = host->opt_string(ctx, "create");
	char secret[64];

	if (host->secret_read(ctx, "password_file", secret, sizeof(secret)) > 0)
		host->log(ctx, HC_LOG_INFO, "has a secret");
	if (strcmp(how, "fail") == 0)
		return -EIO;
	if (strcmp(how, "invalid") == 0) {
		host->opt_error(ctx, "create", "does not like %s", how);
		host->opt_error(ctx, "number", "does not like %d",
				(int)host->opt_int(ctx, "number"));
		return -EINVAL;
	}
	return 0;
}

static int32_t create(const struct hc_host *host, hc_ctx *ctx, void **ret_instance)
{
	int32_t r = check_create(host, ctx);
	struct probe *p;

	if (r < 0)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->host = host;
	p->ctx = ctx;
	p->record = host->opt_string(ctx, "record");
	p->fds[0] = p->fds[1] = -1;
	p->timer = host->timer_add(ctx, INT32_MAX, end_job, p);
	p->alarm = host->alarm_add(ctx, INT64_MAX / 2, end_job, p);
	if (!p->timer || !p->alarm)
		goto fail;
	*ret_instance = p;
	return 0;
fail:
	destroy(p);
	return -ENOMEM;
}

HC_PLUGIN_DEFINE(.name = PROBE_NAME, .version = "1", .summary = "Writes down what it is given",
		 .flags = PROBE_FLAGS, HC_OPTIONS(options), HC_ACTIONS(actions), .create = create,
		 .destroy = destroy, .apply = apply, .cancel = cancel, .action = action,
		 .status = status);
