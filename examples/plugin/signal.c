/*
 * signal - a plugin for hotcertd: sends a signal to the process of a PID file when certificates
 *change
 *
 *	[watch www]
 *	directory = /etc/nginx/tls
 *	cert = www.crt
 *	key  = www.key
 *
 *	[signal www]
 *	pid_file = /run/nginx.pid
 *	program  = nginx
 *
 * Everything that a plugin needs to know stands in <hotcert/plugin.h>.
 */
#include <errno.h>
#include <fcntl.h>
#include <hotcert/plugin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One section of the configuration. */
struct instance {
	const struct hc_host *host;
	hc_ctx *ctx;
	const char *pid_file;
	const char *program; /* NULL: whatever runs under that number */
	int signo;
};

static const struct {
	const char *name;
	int signo;
} signals[] = {{"HUP", SIGHUP}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"WINCH", SIGWINCH}};

/* ---- the process --------------------------------------------------------------------------------
 */

/* The first line of a small file, without its end. 0 or a negative errno. */
static int read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
	int r = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (r == 0) {
		buf[n] = '\0';
		buf[strcspn(buf, "\n")] = '\0';
	}
	return r;
}

/* The name of a process, as ps(1) shows it: at most 15 bytes, see proc(5). */
static int process_name(pid_t pid, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	return read_line(path, buf, size);
}

/*
 * Sends the signal through a descriptor of the process: once that is open, the number cannot come
 * to mean another one. Returns 0; -ESRCH where it does not run; -EPERM where it is another program.
 */
static int signal_process(const struct instance *in, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	char name[64];
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && in->program) {
		r = process_name(pid, name, sizeof(name));
		if (r == 0 && strncmp(name, in->program, 15) != 0)
			r = -EPERM;
	}
	if (r == 0 && syscall(SYS_pidfd_send_signal, fd, in->signo, NULL, 0) < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	return r;
}

/* Sends the signal and ends the job with what came of it. Returns 0 where it was sent. */
static int send_now(struct instance *in, hc_job job)
{
	const struct hc_host *host = in->host;
	char line[64];
	pid_t pid;
	int r = read_line(in->pid_file, line, sizeof(line));

	if (r < 0) { /* the service may be about to start: the host tries again, ever more slowly */
		host->job_done(job, HC_RETRY, "cannot read %s: %s", in->pid_file, strerror(-r));
		return r;
	}
	pid = (pid_t)strtol(line, NULL, 10);
	if (pid <= 1) { /* trying again would not help: the host waits for a change or a person */
		host->job_done(job, HC_FAILED, "%s holds no process number", in->pid_file);
		return -EINVAL;
	}
	r = signal_process(in, pid);
	if (r == 0)
		host->job_done(job, HC_OK, "sent SIG%s to process %d",
			       host->opt_string(in->ctx, "signal"), (int)pid);
	else
		host->job_done(job, HC_RETRY, "process %d of %s: %s", (int)pid, in->pid_file,
			       r == -EPERM ? "is another program, or may not be signalled"
					   : strerror(-r));
	return r;
}

/* ---- what was done before -----------------------------------------------------------------------
 */

/*
 * A process does not tell which certificate it has loaded, so the plugin remembers what it has been
 * told of: a digest over the digests of all files, which the host has made.
 */
static void digest_of(const struct hc_snapshot *snapshot, uint8_t ret[32])
{
	memset(ret, 0, 32);
	for (uint32_t i = 0; i < snapshot->n_files; i++) {
		const struct hc_file *file = hc_snapshot_file(snapshot, i);

		for (size_t j = 0; j < 32; j++)
			ret[j] = (uint8_t)(ret[j] * 31 + file->sha256[j]);
	}
}

/* The host calls this at start, after each change, and now and then to be sure. */
static int32_t signal_apply(void *instance, const struct hc_snapshot *snapshot, hc_job job)
{
	struct instance *in = instance;
	uint8_t now[32], before[32];

	digest_of(snapshot, now);
	if (in->host->state_get(in->ctx, "applied", before, sizeof(before)) == sizeof(before) &&
	    memcmp(now, before, sizeof(now)) == 0) {
		in->host->job_done(job, HC_SAME, "has been told of these files");
		return 0;
	}
	if (send_now(in, job) == 0)
		in->host->state_set(in->ctx, "applied", now, sizeof(now));
	return 0;
}

/* `hotcertctl do signal:www send` */
static int32_t signal_action(void *instance, const char *name, uint32_t argc,
			     const char *const *argv, hc_job job)
{
	(void)name; /* there is but one */
	(void)argv;
	if (argc > 0)
		return -EINVAL;
	send_now(instance, job);
	return 0;
}

/* More lines for `hotcertctl status signal:www`. */
static void signal_status(void *instance)
{
	struct instance *in = instance;
	char line[64];

	if (read_line(in->pid_file, line, sizeof(line)) == 0)
		in->host->status_add(in->ctx, "process", "%s", line);
}

/* ---- an instance --------------------------------------------------------------------------------
 */

static int32_t signal_create(const struct hc_host *host, hc_ctx *ctx, void **ret_instance)
{
	struct instance *in = calloc(1, sizeof(*in));
	const char *name = host->opt_string(ctx, "signal");

	if (!in)
		return -ENOMEM;
	in->host = host;
	in->ctx = ctx;
	in->pid_file = host->opt_string(ctx, "pid_file");
	in->program = host->opt_string(ctx, "program");
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (strcmp(signals[i].name, name) == 0)
			in->signo = signals[i].signo;
	*ret_instance = in;
	return 0;
}

static void signal_destroy(void *instance)
{
	free(instance);
}

/* The host checks values against this table before signal_create() sees them. */
static const struct hc_option options[] = {
	{"pid_file", HC_OPT_PATH, HC_OPT_REQUIRED, NULL, NULL,
	 "file with the number of the process"},
	{"program", HC_OPT_STRING, 0, NULL, NULL,
	 "name that the process must have, as in ps -o comm"},
	{"signal", HC_OPT_CHOICE, 0, "HUP", "HUP USR1 USR2 WINCH", "what is sent"},
};

static const struct hc_action actions[] = {
	{"send", NULL, "send the signal now"},
};

HC_PLUGIN_DEFINE(.name = "signal", .version = "1.0",
		 .summary = "sends a signal when certificates have changed", .timeout_ms = 5000,
		 HC_OPTIONS(options), HC_ACTIONS(actions), .create = signal_create,
		 .destroy = signal_destroy, .apply = signal_apply, .action = signal_action,
		 .status = signal_status);
