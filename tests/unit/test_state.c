#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "model/state.h"

struct fixture {
	char dir[64];
	char *path;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/hotcert-state-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->path = state_path(f->dir, "redis", "cache");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char sub[96];

	unlink(f->path);
	snprintf(sub, sizeof(sub), "%s/redis", f->dir);
	rmdir(sub);
	rmdir(f->dir);
	free(f->path);
	free(f);
	return 0;
}

static void values_survive(void **state)
{
	struct fixture *f = *state;
	uint8_t binary[5] = {0, 1, 255, 0, 7};
	uint8_t buf[16];

	assert_int_equal(state_get(f->path, "a", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(state_set(f->path, "a", "text", 4), 0);
	assert_int_equal(state_set(f->path, "b", binary, sizeof(binary)), 0);
	assert_int_equal(state_get(f->path, "a", buf, sizeof(buf)), 4);
	assert_memory_equal(buf, "text", 4);
	assert_int_equal(state_get(f->path, "b", buf, sizeof(buf)), 5);
	assert_memory_equal(buf, binary, 5);
	assert_int_equal(state_get(f->path, "b", buf, 2), 5);
	assert_int_equal(state_set(f->path, "a", NULL, 0), 0);
	assert_int_equal(state_get(f->path, "a", buf, sizeof(buf)), -ENOENT);
}

static void values_are_bounded(void **state)
{
	struct fixture *f = *state;
	char big[STATE_VALUE_MAX + 1] = {0};

	assert_int_equal(state_set(f->path, "a", big, sizeof(big)), -E2BIG);
	assert_int_equal(state_set(f->path, "a", big, sizeof(big) - 1), 0);
}

static void tries_survive_beside_values(void **state)
{
	struct fixture *f = *state;
	struct state_job job = {.attempts = 3, .status = 10, .retry_at = 1700000000123};
	struct state_job got;
	char buf[8];

	memset(job.digest, 0xab, sizeof(job.digest));
	assert_int_equal(state_set_job(f->path, NULL), 0);
	assert_int_equal(state_get_job(f->path, &got), -ENOENT);
	assert_int_equal(state_set(f->path, "a", "x", 1), 0);
	assert_int_equal(state_set_job(f->path, &job), 0);
	assert_int_equal(state_get_job(f->path, &got), 0);
	assert_memory_equal(&got, &job, sizeof(job));
	assert_int_equal(state_get(f->path, "a", buf, sizeof(buf)), 1);
	assert_int_equal(state_set_job(f->path, NULL), 0);
	assert_int_equal(state_get_job(f->path, &got), -ENOENT);
}

static void a_spoiled_file_is_started_anew(void **state)
{
	struct fixture *f = *state;
	cleanup_fclose FILE *file = NULL;
	struct state_job got;

	assert_int_equal(state_set(f->path, "a", "x", 1), 0);
	file = fopen(f->path, "w");
	fputs("{\"job\": [1, 2", file);
	fflush(file);
	assert_int_equal(state_get_job(f->path, &got), -ENOENT);
	assert_int_equal(state_set(f->path, "a", "y", 1), 0);
	assert_int_equal(state_get(f->path, "a", got.digest, 32), 1);
}

static void nobody_else_may_read_it(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(state_set(f->path, "a", "x", 1), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(values_survive),
		TEST(values_are_bounded),
		TEST(tries_survive_beside_values),
		TEST(a_spoiled_file_is_started_anew),
		TEST(nobody_else_may_read_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
