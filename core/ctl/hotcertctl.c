/*
 * hotcertctl - the window into hotcertd
 *
 * Exit codes: 0 done, 1 failed, 2 usage, 3 the daemon cannot be reached.
 */
#include "base/mem.h"
#include "ctl/ask.h"
#include "ctl/show.h"
#include "model/options.h"

#include <getopt.h>
#include <string.h>

#define SOCKET_DEFAULT "/run/hotcert/control.sock"
/* For what is answered at once; and how much longer than hotcertd itself we wait for the rest. */
#define PATIENCE_MS 30000
#define GRACE_MS 5000

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
};

static const char usage[] =
	"usage: hotcertctl [-s SOCKET] [--json] COMMAND\n"
	"\n"
	"  status [NAME]                       watches and instances, or all about one of them\n"
	"  reload                              read the configuration again\n"
	"  sync [--timeout D]                  wait until every change so far has been dealt with\n"
	"  renew NAME [--timeout D]            get a new certificate now\n"
	"  retry [NAME]                        try what has failed again now\n"
	"  do [--timeout D] INSTANCE ACTION [ARG...]\n"
	"                                      an action of a plugin; without ACTION lists them\n"
	"  wait-expiry [NAME] [--within D]     wait until a certificate has expired, or will "
	"within D\n"
	"              [--timeout D]\n"
	"  metrics                             in the Prometheus text format\n"
	"  version                             of both programs\n"
	"\n"
	"  -s, --socket SOCKET   the control socket: $HOTCERT_SOCKET, or "
	"/run/hotcert/control.sock\n"
	"      --json            the answer as JSON\n"
	"      --timeout D       how long to wait at the most: 500ms, 15s, 5m, 8h, 30d\n"
	"  -V, --version         of this program alone\n"
	"  -h, --help            print this\n"
	"\n"
	"NAME is a watch, an instance such as \"redis:cache\", or the part behind the colon.\n"
	"Exit codes: 0 done, 1 failed, 2 usage, 3 hotcertd cannot be reached.\n";

static const struct command {
	const char *name;
	uint32_t min_args;
	uint32_t max_args;
	bool waits;  /* takes --timeout */
	bool within; /* takes --within */
	bool raw;    /* what follows its first argument is not for us */
	show_fn show;
} commands[] = {
	{"status", 0, 1, false, false, false, show_status},
	{"reload", 0, 0, false, false, false, show_reload},
	{"sync", 0, 0, true, false, false, show_sync},
	{"renew", 1, 1, true, false, false, show_results},
	{"retry", 0, 1, false, false, false, show_retry},
	{"do", 1, 64, true, false, true, show_results},
	{"wait-expiry", 0, 1, true, true, false, show_expiry},
	{"metrics", 0, 0, false, false, false, show_metrics},
	{"version", 0, 0, false, false, false, show_version},
};

/* The command line. The strings are argv's. */
struct call {
	const char *socket;
	bool json;
	int64_t timeout_ms; /* 0: not given */
	int64_t within_ms;
	bool within_given;
	const struct command *command;
	uint32_t n_args;
	char **args;
};

enum {
	OPT_JSON = 256,
	OPT_TIMEOUT,
	OPT_WITHIN,
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, 's'},
	{"json", no_argument, NULL, OPT_JSON},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"within", required_argument, NULL, OPT_WITHIN},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static int wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int wrong(const char *format, ...)
{
	va_list args;

	fputs("hotcertctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; `hotcertctl -h` shows the usage\n", stderr);
	return EXIT_USAGE;
}

/* ---- the command line ---- */

static int parse_duration(const char *option, const char *value, int64_t *ret)
{
	const char *why;

	if (option_parse_int(HC_OPT_DURATION, value, ret, &why) == 0 && *ret >= 0)
		return 0;
	return wrong("%s: \"%s\" is not a duration such as 500ms, 15s, 5m, 8h or 30d", option,
		     value);
}

static int take_option(struct call *c, int option)
{
	switch (option) {
	case 's':
		c->socket = optarg;
		return 0;
	case OPT_JSON:
		c->json = true;
		return 0;
	case OPT_TIMEOUT:
		if (parse_duration("--timeout", optarg, &c->timeout_ms))
			return EXIT_USAGE;
		return c->timeout_ms ? 0 : wrong("--timeout: 0 would not wait at all");
	case OPT_WITHIN:
		c->within_given = true;
		return parse_duration("--within", optarg, &c->within_ms);
	default:
		return wrong("the command line is not right"); /* getopt(3) said why */
	}
}

/* Options up to the first word that is none (order "+"), or all of them, words moved to the end.
 * -1: go on; else the exit code. */
static int parse_options(struct call *c, int argc, char **argv, const char *order)
{
	int option, r;

	while ((option = getopt_long(argc, argv, order, long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return EXIT_DONE;
		}
		if (option == 'V') {
			printf("hotcertctl %s\n", HC_VERSION);
			return EXIT_DONE;
		}
		r = take_option(c, option);
		if (r)
			return r;
	}
	return -1;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[sizeof(commands) / sizeof(commands[0])];
	const char *near;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		names[i] = commands[i].name;
	near = str_nearest(name, names, sizeof(names) / sizeof(names[0]));
	if (near)
		return wrong("there is no command \"%s\"; \"%s\" is near", name, near);
	return wrong("there is no command \"%s\"", name);
}

static int check_call(const struct call *c)
{
	const struct command *command = c->command;

	if (c->n_args < command->min_args)
		return wrong("%s needs a name", command->name);
	if (c->n_args > command->max_args)
		return wrong("%s: too many arguments: \"%s\"", command->name,
			     c->args[command->max_args]);
	if (c->timeout_ms && !command->waits)
		return wrong("%s does not wait: --timeout is not for it", command->name);
	if (c->within_given && !command->within)
		return wrong("--within is for wait-expiry alone");
	return -1;
}

/* -1: go on; else the exit code. */
static int parse_call(struct call *c, int argc, char **argv)
{
	int r = parse_options(c, argc, argv, "+s:Vh");

	if (r >= 0)
		return r;
	if (optind >= argc)
		return wrong("a command is missing");
	c->command = find_command(argv[optind]);
	if (!c->command)
		return unknown_command(argv[optind]);
	argc -= optind;
	argv += optind;
	optind = 0; /* getopt(3): GNU's way to begin anew */
	r = parse_options(c, argc, argv, c->command->raw ? "+s:Vh" : "s:Vh");
	if (r >= 0)
		return r;
	c->args = argv + optind;
	c->n_args = (uint32_t)(argc - optind);
	return check_call(c);
}

/* ---- question and answer ---- */

/* The request as a line; free with free(3). NULL: an argument is not UTF-8. */
static char *request_line(const struct call *c)
{
	json_auto_t *root = json_object();
	json_t *args = json_array();
	cleanup_free char *text = NULL;
	int r = 0;

	for (uint32_t i = 0; i < c->n_args; i++)
		r |= json_array_append_new(args, json_string(c->args[i]));
	r |= json_object_set_new(root, "cmd", json_string(c->command->name));
	r |= json_object_set_new(root, "args", args);
	if (c->timeout_ms)
		r |= json_object_set_new(root, "timeout_ms", json_integer(c->timeout_ms));
	if (c->within_given)
		r |= json_object_set_new(root, "within_ms", json_integer(c->within_ms));
	text = r ? NULL : json_dumps(root, JSON_COMPACT);
	return text ? str_format("%s\n", text) : NULL;
}

static int64_t patience(const struct call *c)
{
	if (!c->command->waits)
		return PATIENCE_MS;
	return c->timeout_ms ? c->timeout_ms + GRACE_MS : 0;
}

static show_fn show_for(const struct call *c)
{
	return c->command->show == show_status && c->n_args ? show_status_of : c->command->show;
}

static int print_json(const json_t *answer)
{
	cleanup_free char *text = json_dumps(answer, JSON_INDENT(2));

	return !text || puts(text) < 0 ? -1 : 0;
}

static int print_answer(const struct call *c, const json_t *answer)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));
	struct style style = text_style();
	struct str out = {0};
	int r = 0;

	if (c->json)
		r = print_json(answer);
	else if (ok)
		show_for(c)(&out, answer, &style);
	else
		show_error(&out, answer);
	fputs(str_get(&out), ok ? stdout : stderr);
	str_finish(&out);
	if (r < 0 || fflush(stdout) != 0) {
		perror("hotcertctl: cannot write the answer");
		return EXIT_FAILED;
	}
	return ok ? EXIT_DONE : EXIT_FAILED;
}

static int run(const struct call *c)
{
	cleanup_free char *line = request_line(c);
	struct str why = {0};
	json_t *answer = NULL;
	int code;

	if (!line)
		return wrong("an argument is not UTF-8");
	if (ask(c->socket, line, patience(c), &answer, &why) < 0) {
		fprintf(stderr, "hotcertctl: %s\n", str_get(&why));
		code = EXIT_UNREACHABLE;
	} else {
		code = print_answer(c, answer);
	}
	json_decref(answer);
	str_finish(&why);
	return code;
}

int main(int argc, char **argv)
{
	const char *socket = getenv("HOTCERT_SOCKET");
	struct call call = {.socket = socket && *socket ? socket : SOCKET_DEFAULT};
	int r = parse_call(&call, argc, argv);

	return r >= 0 || !call.command ? r : run(&call);
}
