/*
 * Each component on the way to a file is watched, links and their targets too; what lies beside the
 * way is not; and what cannot be watched is said to be polled.
 */
#include "platform/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "scratch.h"

#define NOBODY 65534

struct fixture {
	struct loop *loop;
	struct inotify *in;
	struct chain chain;
	int changes; /* since the last look */
};

static void changed(void *owner)
{
	((struct fixture *)owner)->changes++;
}

static void overflow(void *user)
{
	(void)user;
	fail_msg("the queue overflowed");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct inotify_ops ops = {changed, overflow, NULL};

	SCRATCH_MUST(f && scratch_setup(state) == 0);
	f->loop = loop_create();
	SCRATCH_MUST(f->loop && inotify_create(f->loop, &ops, &f->in) == 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	chain_finish(&f->chain, f->in);
	inotify_destroy(f->in);
	loop_destroy(f->loop);
	free(f);
	return scratch_teardown(state);
}

static void directory(const char *name)
{
	SCRATCH_MUST(mkdir(scratch_path(name), 0755) == 0);
}

static void file(const char *name)
{
	int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	SCRATCH_MUST(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
}

static void link_to(const char *name, const char *target)
{
	SCRATCH_MUST(symlink(target, scratch_path(name)) == 0);
}

static void move(const char *from, const char *to)
{
	SCRATCH_MUST(rename(scratch_path(from), scratch_path(to)) == 0);
}

static int watch(struct fixture *f, const char *dir, const char *name)
{
	const struct chain_target target = {.directory = scratch_path(dir),
					    .files = {scratch_path(name)}};

	return chain_watch(&f->chain, f->in, &target, f);
}

/* Whether something was told since the last time; then the way is followed anew, as by the engine.
 */
static bool told(struct fixture *f, const char *dir, const char *name)
{
	int changes;

	inotify_drain(f->in);
	changes = f->changes;
	f->changes = 0;
	assert_int_equal(watch(f, dir, name), CHAIN_WATCHED);
	return changes > 0;
}

static void test_a_file_and_the_directories_above(void **state)
{
	struct fixture *f = *state;

	directory("a");
	directory("a/b");
	assert_int_equal(watch(f, "a/b", "a/b/f"), CHAIN_WATCHED);
	file("a/b/f");
	assert_true(told(f, "a/b", "a/b/f"));
	file("a/b/f");
	assert_true(told(f, "a/b", "a/b/f"));
	SCRATCH_MUST(chmod(scratch_path("a/b/f"), 0600) == 0);
	assert_true(told(f, "a/b", "a/b/f"));
	file("a/b/beside");
	file("a/beside");
	assert_false(told(f, "a/b", "a/b/f"));
	move("a", "z");
	assert_true(told(f, "a/b", "a/b/f"));
	move("z", "a");
	assert_true(told(f, "a/b", "a/b/f"));
}

static void test_what_is_missing_and_comes_step_by_step(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(watch(f, "a/b", "a/b/f"), CHAIN_WATCHED);
	directory("a");
	assert_true(told(f, "a/b", "a/b/f"));
	directory("a/other");
	assert_false(told(f, "a/b", "a/b/f"));
	directory("a/b");
	assert_true(told(f, "a/b", "a/b/f"));
	file("a/b/f");
	assert_true(told(f, "a/b", "a/b/f"));
}

static void test_each_link_on_the_way(void **state)
{
	struct fixture *f = *state;

	directory("v1");
	directory("v2");
	file("v1/f");
	link_to("v", "v1");
	link_to("l", "v");
	assert_int_equal(watch(f, "l", "l/f"), CHAIN_WATCHED);
	file("v1/f");
	assert_true(told(f, "l", "l/f"));
	link_to("new", "v2");
	move("new", "v");
	assert_true(told(f, "l", "l/f"));
	file("v1/f");
	assert_false(told(f, "l", "l/f"));
	file("v2/f");
	assert_true(told(f, "l", "l/f"));
	link_to("new", "v1");
	move("new", "l");
	assert_true(told(f, "l", "l/f"));
}

static void test_a_file_that_is_a_link_elsewhere(void **state)
{
	struct fixture *f = *state;

	directory("a");
	directory("b");
	link_to("a/f", "../b/g");
	assert_int_equal(watch(f, "a", "a/f"), CHAIN_WATCHED);
	file("b/g");
	assert_true(told(f, "a", "a/f"));
	file("b/f");
	assert_false(told(f, "a", "a/f"));
}

static void test_links_in_a_circle(void **state)
{
	struct fixture *f = *state;

	link_to("a", "b");
	link_to("b", "a");
	assert_int_equal(watch(f, "a", "a/f"), CHAIN_WATCHED);
	SCRATCH_MUST(unlink(scratch_path("b")) == 0);
	assert_true(told(f, "a", "a/f"));
	directory("b");
	assert_true(told(f, "a", "a/f"));
	file("b/f");
	assert_true(told(f, "a", "a/f"));
}

static void test_a_directory_that_others_keep_open(void **state)
{
	struct fixture *f = *state;
	int fd;

	directory("a");
	file("a/f");
	fd = open(scratch_path("a"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCRATCH_MUST(fd >= 0);
	assert_int_equal(watch(f, "a", "a/f"), CHAIN_WATCHED);
	SCRATCH_MUST(unlink(scratch_path("a/f")) == 0);
	assert_true(told(f, "a", "a/f"));
	SCRATCH_MUST(rmdir(scratch_path("a")) == 0);
	assert_true(told(f, "a", "a/f"));
	directory("a");
	assert_true(told(f, "a", "a/f"));
	close(fd);
}

static int watch_matches(struct fixture *f)
{
	static char *const match[] = {(char *)"*.crt"};
	const struct chain_target target = {
		.directory = scratch_path("a"), .match = match, .n_match = 1};

	return chain_watch(&f->chain, f->in, &target, f);
}

static bool matches_told(struct fixture *f)
{
	int changes;

	inotify_drain(f->in);
	changes = f->changes;
	f->changes = 0;
	assert_int_equal(watch_matches(f), CHAIN_WATCHED);
	return changes > 0;
}

static void test_every_entry_of_a_directory_and_what_its_links_lead_to(void **state)
{
	struct fixture *f = *state;

	directory("a");
	directory("store");
	link_to("a/1.crt", "../store/one");
	link_to("a/2.key", "../store/two");
	link_to("a/.3.crt", "../store/three");
	assert_int_equal(watch_matches(f), CHAIN_WATCHED);
	file("a/new");
	assert_true(matches_told(f));
	file("store/one");
	assert_true(matches_told(f));
	file("store/two");
	file("store/three");
	assert_false(matches_told(f));
	link_to("a/4.crt", "../store/two");
	assert_true(matches_told(f));
	file("store/two");
	assert_true(matches_told(f));
}

static void test_nothing_is_left_behind(void **state)
{
	struct fixture *f = *state;
	size_t watches;

	directory("a");
	link_to("l", "a");
	link_to("a/f", "../l/g");
	assert_int_equal(watch(f, "l", "l/f"), CHAIN_WATCHED);
	watches = inotify_watches(f->in);
	for (int i = 0; i < 100; i++)
		assert_int_equal(watch(f, "l", "l/f"), CHAIN_WATCHED);
	assert_int_equal(inotify_watches(f->in), watches);
	chain_finish(&f->chain, f->in);
	assert_int_equal(inotify_watches(f->in), 0);
}

static void test_names_that_are_too_long(void **state)
{
	struct fixture *f = *state;
	char name[NAME_MAX + 16];
	const struct chain_target target = {.directory = name, .files = {name}};

	memset(name, 'x', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(chain_watch(&f->chain, f->in, &target, f), CHAIN_WATCHED);
}

/* As a user who may not do it: the exit code says what is wrong, assertions of a child would be
 * lost.
 */
static int watch_as_nobody(struct fixture *f)
{
	if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return 10;
	if (watch(f, "a/b", "a/b/f") != CHAIN_POLL_PERMISSION)
		return 11;
	return !f->chain.denied || strcmp(f->chain.denied, scratch_path("a")) != 0 ? 12 : 0;
}

static void expect_denied(struct fixture *f, mode_t mode)
{
	pid_t pid;
	int status;

	if (geteuid() != 0)
		skip();
	directory("a");
	directory("a/b");
	SCRATCH_MUST(chmod(scratch, 0755) == 0 && chmod(scratch_path("a"), mode) == 0);
	pid = fork();
	if (pid == 0)
		_exit(watch_as_nobody(f));
	SCRATCH_MUST(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
}

static void test_a_directory_that_may_not_be_listed(void **state)
{
	expect_denied(*state, 0711);
}

static void test_a_directory_that_may_not_be_searched(void **state)
{
	expect_denied(*state, 0744);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_file_and_the_directories_above),
		TEST(test_what_is_missing_and_comes_step_by_step),
		TEST(test_each_link_on_the_way),
		TEST(test_a_file_that_is_a_link_elsewhere),
		TEST(test_links_in_a_circle),
		TEST(test_a_directory_that_others_keep_open),
		TEST(test_every_entry_of_a_directory_and_what_its_links_lead_to),
		TEST(test_nothing_is_left_behind),
		TEST(test_names_that_are_too_long),
		TEST(test_a_directory_that_may_not_be_listed),
		TEST(test_a_directory_that_may_not_be_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
