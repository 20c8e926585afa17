/* common/tail: the last lines that a program wrote */
#include "common/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void keeps_the_last(void **state)
{
	struct tail tail = {0};
	char line[32];

	(void)state;
	assert_int_equal(tail_count(&tail), 0);
	assert_string_equal(tail_last(&tail), "");
	for (int i = 0; i < 3 * TAIL_LINES + 1; i++) {
		snprintf(line, sizeof(line), "line %d", i);
		tail_add(&tail, line);
		assert_string_equal(tail_last(&tail), line);
	}
	assert_int_equal(tail_count(&tail), TAIL_LINES);
	for (int i = 0; i < TAIL_LINES; i++) {
		snprintf(line, sizeof(line), "line %d", 2 * TAIL_LINES + 1 + i);
		assert_string_equal(tail_get(&tail, (size_t)i), line);
	}
}

static void skips_blank_lines(void **state)
{
	struct tail tail = {0};

	(void)state;
	tail_add(&tail, "why");
	tail_add(&tail, "");
	tail_add(&tail, " \t\r");
	assert_int_equal(tail_count(&tail), 1);
	assert_string_equal(tail_last(&tail), "why");
}

/* A character of one to four bytes at the border is kept whole or dropped. */
static void cuts_between_characters(void **state)
{
	const char *const chars[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x94\xa5"};

	(void)state;
	for (size_t c = 0; c < 4; c++) {
		for (size_t before = TAIL_WIDTH - 6; before < TAIL_WIDTH + 1; before++) {
			struct tail tail = {0};
			char line[TAIL_WIDTH + 16];
			size_t width = strlen(chars[c]), whole;

			memset(line, 'x', before);
			strcpy(line + before, chars[c]);
			strcat(line, "yyyyyyyy");
			tail_add(&tail, line);
			whole = strlen(tail_last(&tail));
			assert_true(whole < TAIL_WIDTH);
			assert_true(whole <= before || whole >= before + width);
			assert_memory_equal(tail_last(&tail), line, whole);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_last),
		cmocka_unit_test(skips_blank_lines),
		cmocka_unit_test(cuts_between_characters),
	};

	return cmocka_run_group_tests_name("common/tail", tests, NULL, NULL);
}
