/*
 * hotcertd - keeps TLS certificates hot
 */
#include "base/log.h"
#include "main/options.h"
#include "main/service.h"
#include "model/wipe.h"
#include "plugins/host.h"
#include "plugins/job.h"
#include "plugins/loader.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor below 3 that is closed would become some socket, and printf() would write to it. */
static void open_std_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR); /* NOLINT: to be inherited, as these always are */
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/*
 * Keys are in memory for moments, and a plugin's TLS sessions for longer: no core dump, and no
 * debugger of a lesser user (ptrace(2)). Root's gdb attaches as ever; HOTCERT_COREDUMP=1 in the
 * environment brings the dumps back for those who hunt a crash.
 */
static void forbid_dumps(void)
{
	if (!getenv("HOTCERT_COREDUMP"))
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void set_up_process(void)
{
	open_std_descriptors();
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	forbid_dumps();
	wipe_openssl_frees(); /* nothing has used OpenSSL yet, so it cannot fail */
}

/* hotcertd -t: the errors as plain lines, as a compiler's. */
static int check(struct loop *loop, const struct config_source *source)
{
	const struct engine_ops ops = {0};
	struct errors errors = {0};
	struct engine *engine = NULL;
	int r = engine_create(loop, source, &ops, &engine);

	if (r == 0)
		r = engine_check(engine, &errors);
	if (r < 0)
		errors_add(&errors, "cannot check: %s", strerror(-r));
	for (size_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.text[i]);
	if (r)
		fprintf(stderr, "hotcertd: the configuration has %zu error%s\n", errors.n,
			errors.n == 1 ? "" : "s");
	else
		fprintf(stderr, "hotcertd: the configuration is right\n");
	errors_finish(&errors);
	engine_destroy(engine);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(struct loop *loop, const struct config_source *source)
{
	struct service service;
	int r = service_start(&service, loop, source);

	if (r == 0)
		loop_run(loop);
	service_finish(&service);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int with_loop(int (*what)(struct loop *, const struct config_source *),
		     const struct config_source *source)
{
	struct loop *loop = loop_create();
	int code = EXIT_FAILURE;

	if (loop && host_init(loop) == 0) {
		code = what(loop, source);
		host_finish();
	} else {
		log_error("cannot start: out of memory or descriptors");
	}
	jobs_finish();
	loader_finish();
	loop_destroy(loop);
	return code;
}

int main(int argc, char **argv)
{
	struct main_options options;

	set_up_process();
	switch (main_options_parse(argc, argv, &options)) {
	case MAIN_RUN:
		return with_loop(run, &options.source);
	case MAIN_CHECK:
		return with_loop(check, &options.source);
	case MAIN_OPTIONS:
		return main_options_print(&options);
	case MAIN_DONE:
		return EXIT_SUCCESS;
	default:
		return 2;
	}
}
