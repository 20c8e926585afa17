/*
 * A program's output comes line by line, then its end; and nothing comes once it was killed, not
 * even where the line itself made its reader do so.
 */
#include "platform/process.h"

#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEADLINE_MS 20000

struct fixture {
	struct loop *loop;
	struct loop_timer *end;
	struct process *process;
	struct str lines;    /* each with a '|' behind it */
	const char *kill_at; /* the line at which it is killed */
	int exits;
	int code;
	bool late;
};

static void give_up(void *data)
{
	struct fixture *f = data;

	f->late = true;
	loop_stop(f->loop);
}

static void on_line(void *data, const char *line)
{
	struct fixture *f = data;

	str_addf(&f->lines, "%s|", line);
	if (!f->kill_at || strcmp(line, f->kill_at) != 0)
		return;
	process_kill(f->process);
	f->process = NULL;
	loop_timer_set(f->end, 100);
}

static void on_exit_(void *data, int code)
{
	struct fixture *f = data;

	f->process = NULL;
	f->exits++;
	f->code = code;
	loop_stop(f->loop);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->loop = loop_create();
	assert_non_null(f->loop);
	f->end = loop_timer_add(f->loop, DEADLINE_MS, give_up, f);
	assert_non_null(f->end);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	process_kill(f->process);
	loop_timer_remove(f->end);
	loop_destroy(f->loop);
	str_finish(&f->lines);
	free(f);
	return 0;
}

static int start(struct fixture *f, const char *script)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	static const char *const env[] = {"WORD=from the environment", NULL};
	const struct process_spec spec = {
		.argv = argv, .env = env, .on_line = on_line, .on_exit = on_exit_, .data = f};

	return process_start(f->loop, &spec, &f->process);
}

static void run(struct fixture *f, const char *script)
{
	assert_int_equal(start(f, script), 0);
	loop_run(f->loop);
}

static void test_lines_then_the_end(void **state)
{
	struct fixture *f = *state;

	run(f, "echo one; echo two >&2; echo \"$WORD\"; printf 'no newline'; exit 3");
	assert_string_equal(str_get(&f->lines), "one|two|from the environment|no newline|");
	assert_int_equal(f->exits, 1);
	assert_int_equal(f->code, 3);
}

static void test_a_signal_is_negative(void **state)
{
	struct fixture *f = *state;

	run(f, "kill -TERM $$");
	assert_int_equal(f->code, -SIGTERM);
}

static void test_what_is_left_in_the_pipe_at_the_end_is_read(void **state)
{
	struct fixture *f = *state;

	run(f, "i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i + 1)); done");
	assert_int_equal(f->lines.len, 3000 * 11);
	assert_int_equal(f->code, 0);
}

static void test_killed_by_its_own_line(void **state)
{
	struct fixture *f = *state;

	f->kill_at = "two";
	run(f, "echo one; echo two; echo three; exec cat /dev/zero");
	assert_string_equal(str_get(&f->lines), "one|two|");
	assert_int_equal(f->exits, 0);
}

static void test_killed_by_its_last_line(void **state)
{
	struct fixture *f = *state;

	f->kill_at = "last";
	run(f, "printf last");
	assert_string_equal(str_get(&f->lines), "last|");
	assert_int_equal(f->exits, 0);
}

static void test_a_program_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = {"/nowhere/at/all", NULL};
	struct process_spec spec = {.argv = argv, .on_exit = on_exit_, .data = f};

	assert_int_equal(process_start(f->loop, &spec, &f->process), -ENOENT);
	spec.user = "nobody_has_this_name";
	assert_int_equal(process_start(f->loop, &spec, &f->process), -ENOENT);
	assert_int_equal(f->exits, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lines_then_the_end),
		TEST(test_a_signal_is_negative),
		TEST(test_what_is_left_in_the_pipe_at_the_end_is_read),
		TEST(test_killed_by_its_own_line),
		TEST(test_killed_by_its_last_line),
		TEST(test_a_program_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
