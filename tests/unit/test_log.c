/*
 * What a line of the log looks like, at a terminal and under the journal
 */
#include "base/log.h"
#include "base/mem.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <syslog.h>

static int kept_stderr = -1;

/* From here on stderr is the file "log". */
static void capture(void)
{
	cleanup_close int fd = open(scratch_path("log"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	SCRATCH_MUST(fd >= 0);
	kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	SCRATCH_MUST(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
}

static const char *captured(void)
{
	static char text[65536];
	ssize_t n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);

	SCRATCH_MUST(n >= 0);
	text[n] = '\0';
	SCRATCH_MUST(dup2(kept_stderr, STDERR_FILENO) == STDERR_FILENO);
	close(kept_stderr);
	return text;
}

static void pretend_journal(void)
{
	struct stat st;
	char stream[64];

	SCRATCH_MUST(fstat(STDERR_FILENO, &st) == 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
}

static int setup(void **state)
{
	unsetenv("JOURNAL_STREAM");
	log_set_level(LOG_NOTICE);
	return scratch_setup(state);
}

static void has_time_stamps_elsewhere(void **state)
{
	const char *text;
	regex_t expected;

	(void)state;
	capture();
	log_warning("hello %d", 7);
	text = captured();
	SCRATCH_MUST(regcomp(&expected,
			     "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} "
			     "warning hello 7\n$",
			     REG_EXTENDED | REG_NOSUB) == 0);
	assert_int_equal(regexec(&expected, text, 0, NULL, 0), 0);
	regfree(&expected);
}

static void has_priorities_under_the_journal(void **state)
{
	(void)state;
	capture();
	pretend_journal();
	log_error("one");
	log_notice("two");
	assert_string_equal(captured(), "<3>one\n<5>two\n");
}

static void is_not_the_journal_where_stderr_was_redirected(void **state)
{
	const char *text;
	char stream[64];
	struct stat st;

	(void)state;
	capture();
	SCRATCH_MUST(fstat(STDERR_FILENO, &st) == 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error("one");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_error("two");
	text = captured();
	assert_non_null(strstr(text, " error one\n"));
	assert_non_null(strstr(text, " error two\n"));
}

static void heeds_the_level(void **state)
{
	(void)state;
	capture();
	pretend_journal();
	log_info("no");
	log_set_level(LOG_DEBUG);
	log_debug("yes");
	log_set_level(LOG_ERR);
	log_warning("no");
	assert_string_equal(captured(), "<7>yes\n");
	assert_int_equal(log_level(), LOG_ERR);
}

static void keeps_a_line_a_line(void **state)
{
	(void)state;
	capture();
	pretend_journal();
	log_error("a\nb\x1b[31m\x7f \xc2\x9b \xc3\xa4\t%s", "<3>forged\r\n");
	assert_string_equal(captured(),
			    "<3>a\\x0ab\\x1b[31m\\x7f \\x9b \xc3\xa4\t<3>forged\\x0d\\x0a\n");
}

__attribute__((format(printf, 2, 3))) static void log_for(const char *tag, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_msgv(LOG_ERR, tag, format, args);
	va_end(args);
}

static void names_who_speaks(void **state)
{
	(void)state;
	capture();
	pretend_journal();
	log_for("redis:cache", "text");
	assert_string_equal(captured(), "<3>redis:cache: text\n");
}

static void takes_long_lines_and_keeps_errno(void **state)
{
	static char longer[20001];
	const char *text;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	capture();
	pretend_journal();
	errno = EPIPE;
	log_error("%s", longer);
	assert_int_equal(errno, EPIPE);
	text = captured();
	assert_int_equal(strlen(text), 3 + 20000 + 1);
}

static void knows_the_names_of_levels(void **state)
{
	(void)state;
	assert_int_equal(log_level_parse("error"), 3);
	assert_int_equal(log_level_parse("warning"), 4);
	assert_int_equal(log_level_parse("notice"), 5);
	assert_int_equal(log_level_parse("info"), 6);
	assert_int_equal(log_level_parse("debug"), 7);
	assert_int_equal(log_level_parse("loud"), -1);
	assert_int_equal(log_level_parse(""), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_time_stamps_elsewhere),
		TEST(has_priorities_under_the_journal),
		TEST(is_not_the_journal_where_stderr_was_redirected),
		TEST(heeds_the_level),
		TEST(keeps_a_line_a_line),
		TEST(names_who_speaks),
		TEST(takes_long_lines_and_keeps_errno),
		TEST(knows_the_names_of_levels),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
