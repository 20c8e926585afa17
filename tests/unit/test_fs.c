/*
 * Files as a whole: what is read, what is replaced, and what is left behind
 */
#include "base/fs.h"
#include "base/mem.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static size_t count_entries(void)
{
	DIR *d = opendir(scratch);
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void assert_content(const char *name, const char *text)
{
	cleanup_free char *data = NULL;
	size_t len;

	assert_int_equal(fs_read(scratch_path(name), 4096, &data, &len, NULL), 0);
	assert_int_equal(len, strlen(text));
	assert_string_equal(data, text);
}

static void reads_a_file(void **state)
{
	cleanup_free char *data = NULL;
	struct stat st;
	size_t len;

	(void)state;
	scratch_write_n("f", "a\0b", 3);
	assert_int_equal(fs_read(scratch_path("f"), 3, &data, &len, &st), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "a\0b", 4);
	assert_int_equal(st.st_size, 3);
}

static void reads_an_empty_file(void **state)
{
	(void)state;
	scratch_write("f", "");
	assert_content("f", "");
}

static void says_why_it_cannot_read(void **state)
{
	char *data = (char *)1;
	size_t len = 77;

	(void)state;
	scratch_write("f", "four");
	SCRATCH_MUST(mkfifo(scratch_path("fifo"), 0600) == 0);
	SCRATCH_MUST(symlink("/nowhere", scratch_path("dangling")) == 0);
	SCRATCH_MUST(symlink("loop", scratch_path("loop")) == 0);
	assert_int_equal(fs_read(scratch_path("f"), 3, &data, &len, NULL), -EFBIG);
	assert_int_equal(fs_read(scratch, 100, &data, &len, NULL), -EINVAL);
	assert_int_equal(fs_read(scratch_path("fifo"), 100, &data, &len, NULL), -EINVAL);
	assert_int_equal(fs_read("/dev/zero", 100, &data, &len, NULL), -EINVAL);
	assert_int_equal(fs_read(scratch_path("dangling"), 100, &data, &len, NULL), -ENOENT);
	assert_int_equal(fs_read(scratch_path("loop"), 100, &data, &len, NULL), -ELOOP);
	assert_ptr_equal(data, (char *)1);
	assert_int_equal(len, 77);
}

static void replaces_with_mode_and_owner(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(fs_replace(scratch_path("f"), "one", 3, 0640, -1, -1), 0);
	assert_content("f", "one");
	assert_int_equal(fs_replace(scratch_path("f"), "second", 6, 0600, getuid(), getgid()), 0);
	assert_content("f", "second");
	SCRATCH_MUST(stat(scratch_path("f"), &st) == 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(count_entries(), 1);
}

static void mode_is_not_masked(void **state)
{
	mode_t old = umask(0077);
	struct stat st;

	(void)state;
	assert_int_equal(fs_replace(scratch_path("f"), "", 0, 0644, -1, -1), 0);
	umask(old);
	SCRATCH_MUST(stat(scratch_path("f"), &st) == 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void clears_what_a_crash_left(void **state)
{
	(void)state;
	scratch_write(".f.hotcert~", "half");
	assert_int_equal(fs_replace(scratch_path("f"), "whole", 5, 0600, -1, -1), 0);
	assert_content("f", "whole");
	assert_int_equal(count_entries(), 1);
}

static void a_failed_replacement_leaves_nothing(void **state)
{
	(void)state;
	scratch_mkdir("d");
	assert_int_equal(fs_replace(scratch_path("d"), "x", 1, 0600, -1, -1), -EISDIR);
	assert_int_equal(count_entries(), 1);
	assert_int_equal(fs_replace(scratch_path("no/f"), "x", 1, 0600, -1, -1), -ENOENT);
	assert_int_equal(fs_replace(scratch_path("d/"), "x", 1, 0600, -1, -1), -EISDIR);
	assert_int_equal(count_entries(), 1);
}

static void replaces_in_the_working_directory(void **state)
{
	cleanup_close int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	SCRATCH_MUST(chdir(scratch) == 0);
	assert_int_equal(fs_replace("f", "x", 1, 0600, -1, -1), 0);
	SCRATCH_MUST(fchdir(here) == 0);
	assert_content("f", "x");
}

/* A limit on the size of files stands in for the full disk: write(2) fails half-way. */
static void replace_under_a_limit(void)
{
	static char big[65536];
	const struct rlimit limit = {4096, 4096};

	signal(SIGXFSZ, SIG_IGN);
	SCRATCH_MUST(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	_exit(fs_replace(scratch_path("f"), big, sizeof(big), 0600, -1, -1) == -EFBIG ? 0 : 1);
}

static void a_failed_write_changes_nothing(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	scratch_write("f", "old");
	pid = fork();
	SCRATCH_MUST(pid >= 0);
	if (pid == 0)
		replace_under_a_limit();
	SCRATCH_MUST(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
	assert_content("f", "old");
	assert_int_equal(count_entries(), 1);
}

static void makes_directories(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(fs_mkdir(scratch_path("a/b//c/"), 0700), 0);
	assert_int_equal(fs_mkdir(scratch_path("a/b/c"), 0700), 0);
	SCRATCH_MUST(stat(scratch_path("a/b/c"), &st) == 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	SCRATCH_MUST(stat(scratch_path("a/b"), &st) == 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	scratch_write("f", "");
	assert_int_equal(fs_mkdir(scratch_path("f"), 0700), -ENOTDIR);
	assert_int_equal(fs_mkdir(scratch_path("f/x"), 0700), -ENOTDIR);
	assert_int_equal(fs_mkdir("/", 0700), 0);
}

static void wipes(void **state)
{
	(void)state;
	fs_wipe_free(NULL, 0);
	fs_wipe_free(strdup("secret"), 6);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_a_file),
		TEST(reads_an_empty_file),
		TEST(says_why_it_cannot_read),
		TEST(replaces_with_mode_and_owner),
		TEST(mode_is_not_masked),
		TEST(clears_what_a_crash_left),
		TEST(a_failed_replacement_leaves_nothing),
		TEST(replaces_in_the_working_directory),
		TEST(a_failed_write_changes_nothing),
		TEST(makes_directories),
		TEST(wipes),
	};

	return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
