/*
 * Mounts are told: those that come while the loop waits, those that came before it began to, and
 * each of them once.
 */
#include "platform/mounts.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[32];
	struct loop *loop;
	struct mounts *mounts;
	struct loop_timer *end; /* nothing was told in time */
	int told;
	bool late;
};

static void tell(void *data)
{
	struct fixture *f = data;

	f->told++;
	loop_stop(f->loop);
}

static void give_up(void *data)
{
	struct fixture *f = data;

	f->late = true;
	loop_stop(f->loop);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	strcpy(f->dir, "/tmp/hotcert-mounts-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->loop = loop_create();
	assert_non_null(f->loop);
	assert_int_equal(mounts_create(f->loop, tell, f, &f->mounts), 0);
	f->end = loop_timer_add(f->loop, -1, give_up, f);
	assert_non_null(f->end);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_timer_remove(f->end);
	mounts_destroy(f->mounts);
	loop_destroy(f->loop);
	while (umount2(f->dir, MNT_DETACH) == 0)
		;
	rmdir(f->dir);
	free(f);
	return 0;
}

static void mount_over(const struct fixture *f)
{
	assert_int_equal(mount("none", f->dir, "tmpfs", 0, NULL), 0);
}

/* How often it was told until ms have gone by without a word. */
static int run(struct fixture *f, int64_t ms)
{
	f->told = 0;
	f->late = false;
	loop_timer_set(f->end, ms);
	while (!f->late)
		loop_run(f->loop);
	return f->told;
}

static void test_nothing_to_tell(void **state)
{
	assert_int_equal(run(*state, 20), 0);
}

static void test_while_the_loop_waits(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, 20), 0);
	mount_over(f);
	assert_int_equal(run(f, 100), 1);
	assert_int_equal(umount(f->dir), 0);
	assert_int_equal(run(f, 100), 1);
}

static void test_before_the_loop_has_begun(void **state)
{
	struct fixture *f = *state;

	mount_over(f);
	assert_int_equal(run(f, 100), 1);
}

static void test_drained_is_told_at_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, 20), 0);
	mounts_drain(f->mounts);
	assert_int_equal(f->told, 0);
	mount_over(f);
	mounts_drain(f->mounts);
	assert_int_equal(f->told, 1);
	assert_int_equal(run(f, 100), 0);
	mounts_drain(NULL);
	mounts_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_to_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(test_while_the_loop_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_before_the_loop_has_begun, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drained_is_told_at_once, setup, teardown),
	};

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		print_message("skipped: mount namespaces cannot be had here\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
