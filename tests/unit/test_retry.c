#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/retry.h"

enum { NO_HINT = -1 };

static int64_t delay(uint32_t attempts, uint32_t random)
{
	return retry_delay(attempts, 1000, 300000, NO_HINT, NO_HINT, random);
}

static void doubles_from_min_to_max(void **state)
{
	(void)state;
	assert_int_equal(delay(1, 0), 1000);
	assert_int_equal(delay(2, 0), 2000);
	assert_int_equal(delay(9, 0), 256000);
	assert_int_equal(delay(10, 0), 300000);
	assert_int_equal(delay(4000000000u, 0), 300000);
}

static void takes_off_a_quarter_at_most(void **state)
{
	(void)state;
	for (uint32_t random = 0; random < 0x10000; random += 0xff) {
		assert_true(delay(3, random) <= 4000);
		assert_true(delay(3, random) >= 3000);
	}
	assert_int_equal(delay(3, 0xffff), 3000);
}

static void heeds_the_plugins_bounds(void **state)
{
	(void)state;
	assert_int_equal(retry_delay(1, 1000, 300000, 60000, NO_HINT, 0), 60000);
	assert_int_equal(retry_delay(12, 1000, 300000, NO_HINT, 5000, 0), 5000);
	/* A server's Retry-After is heeded even where haste is wanted. */
	assert_int_equal(retry_delay(12, 1000, 300000, 60000, 5000, 0), 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_from_min_to_max),
		cmocka_unit_test(takes_off_a_quarter_at_most),
		cmocka_unit_test(heeds_the_plugins_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
