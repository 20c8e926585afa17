/*
 * A plugin's options: types, defaults, errors with their place, and the printed reference
 */
#include "base/mem.h"
#include "base/str.h"
#include "model/config_keys.h"
#include "model/options.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <syslog.h>

/* A table as a plugin of a later ABI has it: each entry is longer than ours. */
struct wide_option {
	struct hc_option option;
	const char *added_later;
};

static const struct wide_option wide[] = {
	{{"address", HC_OPT_LIST, HC_OPT_REQUIRED, NULL, NULL, "where the server listens"}, "x"},
	{{"name", HC_OPT_STRING, 0, NULL, NULL, "a name"}, "x"},
	{{"greeting", HC_OPT_STRING, 0, "hello", NULL, "what to say"}, "x"},
	{{"port", HC_OPT_INTEGER, 0, "6379", NULL, "a port"}, "x"},
	{{"tls", HC_OPT_BOOL, 0, "yes", NULL, "whether to speak TLS"}, "x"},
	{{"wait", HC_OPT_DURATION, 0, "5s", NULL, "how long to wait"}, "x"},
	{{"part", HC_OPT_PERCENT, 0, NULL, NULL, "a part"}, "x"},
	{{"renew_at", HC_OPT_SHARE, 0, "66%", NULL, "when to renew"}, "x"},
	{{"log", HC_OPT_PATH, 0, NULL, NULL, "a file"}, "x"},
	{{"password_file", HC_OPT_SECRET, 0, "/nowhere/secret", NULL, "the password"}, "x"},
	{{"words", HC_OPT_LIST, 0, "a, b", NULL, "some words"}, "x"},
	{{"kind", HC_OPT_CHOICE, 0, "rsa", "rsa ec ed25519", "the kind of key"}, "x"},
};

static const struct option_table table = {&wide[0].option, sizeof(wide) / sizeof(wide[0]),
					  sizeof(wide[0])};

static struct errors errors;
static struct options *options;

/* Parses "key=value" pairs, NULL-terminated, the i-th from line i + 2. */
static int parse_with(const struct option_table *t, const char *const *pairs)
{
	struct config_entry entries[16];
	char *file = strdup(scratch_path("a.conf"));
	struct config_instance instance = {.plugin = (char[]){"probe"},
					   .name = (char[]){"x"},
					   .entries = entries,
					   .where = {file, 1}};
	int r;

	for (; pairs[instance.n_entries]; instance.n_entries++) {
		const char *pair = pairs[instance.n_entries], *equals = strchr(pair, '=');

		entries[instance.n_entries] =
			(struct config_entry){strndup(pair, (size_t)(equals - pair)),
					      strdup(equals + 1),
					      {file, (unsigned)instance.n_entries + 2}};
	}
	errors_finish(&errors);
	options_destroy(options);
	options = NULL;
	r = options_parse(t, &instance, &errors, &options);
	for (size_t i = 0; i < instance.n_entries; i++) {
		free(entries[i].key);
		free(entries[i].value);
	}
	free(file); /* the options must not need it */
	return r;
}

#define PARSE(...) parse_with(&table, (const char *const[]){__VA_ARGS__, NULL})

static void assert_error(int r, const char *place, const char *words)
{
	assert_int_equal(r, 1);
	assert_true(has_error(&errors, place, words));
	assert_int_equal(errors.n, 1);
	assert_null(options);
}

static int teardown(void **state)
{
	errors_finish(&errors);
	options_destroy(options);
	options = NULL;
	return scratch_teardown(state);
}

static void has_defaults(void **state)
{
	const char *const *words;

	(void)state;
	assert_int_equal(PARSE("address=a"), 0);
	assert_null(options_string(options, "name"));
	assert_string_equal(options_string(options, "greeting"), "hello");
	assert_string_equal(options_string(options, "kind"), "rsa");
	assert_string_equal(options_string(options, "password_file"), "/nowhere/secret");
	assert_int_equal(options_int(options, "port"), 6379);
	assert_int_equal(options_int(options, "tls"), 1);
	assert_int_equal(options_int(options, "wait"), 5000);
	assert_int_equal(options_int(options, "part"), 0);
	assert_int_equal(options_int(options, "renew_at"), -6600);
	assert_int_equal(options_list(options, "words", &words), 2);
	assert_string_equal(words[1], "b");
	assert_null(words[2]);
	assert_int_equal(options_is_set(options, "words"), 0);
	assert_int_equal(options_is_set(options, "port"), 0);
	assert_int_equal(options_is_set(options, "address"), 1);
}

static void takes_values(void **state)
{
	cleanup_free char *secret = NULL;
	const char *const *words;

	(void)state;
	scratch_write("secret", "hush\n");
	secret = str_format("password_file=%s", scratch_path("secret"));
	assert_int_equal(PARSE("address=h:1, [::1]:2,,\nunix:/x\\,y ,", "name=N", "port=-7",
			       "tls=Off", "wait=2h", "part=66.5%", "renew_at=8h", "log=/var/log/x",
			       secret, "words=", "kind=ec"),
			 0);
	assert_int_equal(options_list(options, "address", &words), 3);
	assert_string_equal(words[0], "h:1");
	assert_string_equal(words[1], "[::1]:2");
	assert_string_equal(words[2], "unix:/x,y");
	assert_null(words[3]);
	assert_string_equal(options_string(options, "name"), "N");
	assert_int_equal(options_int(options, "port"), -7);
	assert_int_equal(options_int(options, "tls"), 0);
	assert_int_equal(options_int(options, "wait"), 7200000);
	assert_int_equal(options_int(options, "part"), 6650);
	assert_int_equal(options_int(options, "renew_at"), 28800000);
	assert_string_equal(options_string(options, "log"), "/var/log/x");
	assert_string_equal(options_string(options, "password_file"), scratch_path("secret"));
	assert_string_equal(options_string(options, "kind"), "ec");
	assert_int_equal(options_list(options, "words", &words), 0);
	assert_null(words[0]);
	assert_int_equal(options_is_set(options, "port"), 1);
}

static void knows_where_a_key_stands(void **state)
{
	cleanup_free char *set = NULL, *unset = NULL, *expected = NULL, *whole = NULL;

	(void)state;
	assert_int_equal(PARSE("address=a", "port=1"), 0);
	set = options_where(options, "port");
	unset = options_where(options, "wait");
	expected = str_format("%s:3: [probe x] port", scratch_path("a.conf"));
	whole = str_format("%s:1: [probe x] wait", scratch_path("a.conf"));
	assert_string_equal(set, expected);
	assert_string_equal(unset, whole);
}

static void refuses_unknown_keys(void **state)
{
	(void)state;
	assert_error(PARSE("address=a", "prt=1"), "a.conf:3",
		     "[probe x] prt: unknown key; did you mean port?");
	assert_error(PARSE("address=a", "tiemout=1"), "a.conf:3", "did you mean timeout?");
	assert_error(PARSE("address=a", "password=hunter2"), "a.conf:3",
		     "did you mean password_file?");
	assert_null(strstr(errors.text[0], "hunter2"));
	assert_error(PARSE("address=a", "zzzzzz=1"), "a.conf:3", "see hotcertd --options probe");
}

static void refuses_a_missing_key(void **state)
{
	(void)state;
	assert_error(PARSE("port=1"), "a.conf:1",
		     "[probe x] address: missing; where the server listens");
}

static void refuses_wrong_types(void **state)
{
	static const struct {
		const char *pair;
		const char *words;
	} cases[] = {
		{"port=many", "port: \"many\" is not a whole number"},
		{"port=", "is not a whole number"},
		{"port=1x", "is not a whole number"},
		{"port=99999999999999999999", "\"99999999999999999999\" is too large"},
		{"tls=perhaps", "tls: \"perhaps\" is neither yes nor no"},
		{"wait=5 parsecs", "wait: \"5 parsecs\" is not a duration; write 500ms"},
		{"part=half", "part: \"half\" is not a percentage"},
		{"renew_at=soon", "renew_at: \"soon\" is neither a percentage nor a duration"},
		{"renew_at=0%", "renew_at: \"0%\" is not above 0%"},
		{"log=a/b", "log: \"a/b\" is not an absolute path"},
		{"kind=dsa", "kind: \"dsa\" is not one of: rsa ec ed25519"},
		{"kind=rs", "is not one of"},
		{"name=a\nb", "name: takes one value"},
		{"words=a\nport = 7\nb", "words: the indented line \"port = ...\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_error(PARSE("address=a", cases[i].pair), "a.conf:3", cases[i].words);
}

static void refuses_secrets_that_cannot_be_read(void **state)
{
	cleanup_free char *closed = NULL, *folder = NULL, *fifo = NULL;
	int r;

	(void)state;
	scratch_write("closed", "x");
	SCRATCH_MUST(chmod(scratch, 0711) == 0 && chmod(scratch_path("closed"), 0) == 0);
	SCRATCH_MUST(mkfifo(scratch_path("fifo"), 0600) == 0);
	closed = str_format("password_file=%s", scratch_path("closed"));
	folder = str_format("password_file=%s", scratch);
	fifo = str_format("password_file=%s", scratch_path("fifo"));
	assert_error(PARSE("address=a", "password_file=/nowhere/x"), "a.conf:3",
		     "/nowhere/x cannot be read: No such file or directory; create it");
	assert_error(PARSE("address=a", folder), "a.conf:3", "not a regular file");
	assert_error(PARSE("address=a", fifo), "a.conf:3", "not a regular file");
	assert_error(PARSE("address=a", "password_file=hunter2"), "a.conf:3",
		     "write the secret into");
	assert_null(strstr(errors.text[0], "hunter2"));
	if (geteuid() == 0)
		SCRATCH_MUST(seteuid(65534) == 0);
	r = PARSE("address=a", closed);
	if (getuid() == 0)
		SCRATCH_MUST(seteuid(0) == 0);
	assert_error(r, "a.conf:3",
		     "Permission denied; let the user that hotcertd runs as read it");
}

static void tells_all_errors_at_once(void **state)
{
	(void)state;
	assert_int_equal(PARSE("prt=1", "wait=x", "kind=x"), 1);
	assert_true(has_error(&errors, "a.conf:2", "prt"));
	assert_true(has_error(&errors, "a.conf:3", "wait"));
	assert_true(has_error(&errors, "a.conf:4", "kind"));
	assert_true(has_error(&errors, "a.conf:1", "address: missing"));
	assert_int_equal(errors.n, 4);
}

static void blames_the_plugin_for_its_table(void **state)
{
	static const struct hc_option wrong[] = {
		{"wait", HC_OPT_DURATION, 0, "soon", NULL, "x"},
		{"later", 990, 0, NULL, NULL, "of a type that comes later"},
	};
	const struct option_table t = {wrong, 2, sizeof(wrong[0])};

	(void)state;
	assert_error(parse_with(&t, (const char *const[]){NULL}), "a.conf:1",
		     "wait: the plugin's default is wrong");
	assert_error(parse_with(&t, (const char *const[]){"wait=1s", "later=x", NULL}), "a.conf:3",
		     "later: is of type 990, which this hotcertd does not know");
}

static void takes_an_empty_table(void **state)
{
	const struct option_table t = {NULL, 0, 0};

	(void)state;
	assert_int_equal(parse_with(&t, (const char *const[]){NULL}), 0);
	assert_error(parse_with(&t, (const char *const[]){"a=b", NULL}), "a.conf:2", "unknown key");
}

static void ask_for_an_undeclared_key(void)
{
	cleanup_close int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDERR_FILENO);
	signal(SIGABRT, SIG_DFL);
	options_string(options, "undeclared");
}

static void an_undeclared_key_aborts(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(PARSE("address=a"), 0);
	pid = fork();
	SCRATCH_MUST(pid >= 0);
	if (pid == 0) {
		ask_for_an_undeclared_key();
		_exit(0);
	}
	SCRATCH_MUST(waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* What a function prints. */
static const char *printed(void (*print)(const struct option_table *t))
{
	static char text[16384];
	cleanup_close int fd =
		open(scratch_path("out"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cleanup_close int kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	ssize_t n;

	fflush(stdout);
	SCRATCH_MUST(dup2(fd, STDOUT_FILENO) >= 0);
	print(&table);
	fflush(stdout);
	SCRATCH_MUST(dup2(kept, STDOUT_FILENO) >= 0);
	n = pread(fd, text, sizeof(text) - 1, 0);
	SCRATCH_MUST(n >= 0);
	text[n] = '\0';
	return text;
}

static void prints_a_reference(void **state)
{
	const char *text = printed(options_print);

	(void)state;
	assert_non_null(strstr(text, "KEY            TYPE           DEFAULT          MEANING\n"));
	assert_non_null(strstr(
		text, "address        list           required         where the server listens\n"));
	assert_non_null(strstr(text, "name           string         -                a name\n"));
	assert_non_null(strstr(text, "the kind of key (rsa, ec, ed25519)\n"));
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		assert_true(strcspn(line, "\n") <= 100);
}

static void prints_rows_for_the_manual(void **state)
{
	const char *text = printed(options_print_man);

	(void)state;
	assert_non_null(strstr(text, ".TP\n\\fBaddress\\fR (list, required)\n\\&where the server"));
	assert_non_null(
		strstr(text, ".TP\n\\fBport\\fR (integer, default: \\fB6379\\fR)\n\\&a port\n"));
	assert_null(strstr(text, "\n.\n"));
}

static void the_cores_own_tables_are_sound(void **state)
{
	static const char *const names[] = {"hotcert", "watch", "instance"};
	int64_t n;
	const char *why;

	(void)state;
	assert_null(config_keys_find("redis"));
	for (size_t i = 0; i < 3; i++) {
		const struct option_table *t = config_keys_find(names[i]);

		for (uint32_t k = 0; k < t->n; k++) {
			const struct hc_option *option = option_table_get(t, k);

			if (option->type == HC_OPT_DURATION && option->def)
				assert_int_equal(
					option_parse_int(option->type, option->def, &n, &why), 0);
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_defaults),
		TEST(takes_values),
		TEST(knows_where_a_key_stands),
		TEST(refuses_unknown_keys),
		TEST(refuses_a_missing_key),
		TEST(refuses_wrong_types),
		TEST(refuses_secrets_that_cannot_be_read),
		TEST(tells_all_errors_at_once),
		TEST(blames_the_plugin_for_its_table),
		TEST(takes_an_empty_table),
		TEST(an_undeclared_key_aborts),
		TEST(prints_a_reference),
		TEST(prints_rows_for_the_manual),
		TEST(the_cores_own_tables_are_sound),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
