/*
 * Values as a person writes them: numbers, durations, percentages
 */
#include "model/option_value.h"
#include "model/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct case_ {
	const char *text;
	int64_t value;
	const char *why; /* NULL: it is right */
};

static void check(int32_t type, const struct case_ *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int64_t value = -12345;
		const char *why = "";
		int r = option_parse_int(type, cases[i].text, &value, &why);

		if (cases[i].why) {
			assert_int_equal(r, -EINVAL);
			assert_int_equal(value, -12345);
			if (!strstr(why, cases[i].why))
				fail_msg("\"%s\": \"%s\"", cases[i].text, why);
		} else if (r != 0 || value != cases[i].value) {
			fail_msg("\"%s\": %d, %jd (%s)", cases[i].text, r, (intmax_t)value, why);
		}
	}
}

#define CHECK(type, cases) check((type), (cases), sizeof(cases) / sizeof((cases)[0]))

static void booleans(void **state)
{
	static const struct case_ cases[] = {
		{"yes", 1, NULL},
		{"no", 0, NULL},
		{"true", 1, NULL},
		{"false", 0, NULL},
		{"on", 1, NULL},
		{"off", 0, NULL},
		{"1", 1, NULL},
		{"0", 0, NULL},
		{"YES", 1, NULL},
		{"", 0, "yes nor no"},
		{"maybe", 0, "yes nor no"},
		{"2", 0, "yes nor no"},
	};

	(void)state;
	CHECK(HC_OPT_BOOL, cases);
}

static void integers(void **state)
{
	static const struct case_ cases[] = {
		{"0", 0, NULL},
		{"+7", 7, NULL},
		{"-7", -7, NULL},
		{"9223372036854775807", INT64_MAX, NULL},
		{"9223372036854775808", 0, "too large"},
		{"-99999999999999999999", 0, "too large"},
		{"", 0, "whole number"},
		{"-", 0, "whole number"},
		{"1.5", 0, "whole number"},
		{"0x10", 0, "whole number"},
		{"1 ", 0, "whole number"},
		{"--1", 0, "whole number"},
	};

	(void)state;
	CHECK(HC_OPT_INTEGER, cases);
}

static void durations(void **state)
{
	static const struct case_ cases[] = {
		{"0", 0, NULL},
		{"90", 90000, NULL},
		{"500ms", 500, NULL},
		{"15s", 15000, NULL},
		{"5m", 300000, NULL},
		{"8h", 28800000, NULL},
		{"30d", 2592000000, NULL},
		{"5 m", 300000, NULL},
		{"36500d", 3153600000000, NULL},
		{"36501d", 0, "too long"},
		{"9223372036854775807", 0, "too long"},
		{"9223372036854775807ms", 0, "too long"},
		{"99999999999999999999s", 0, "too long"},
		{"", 0, "not a duration"},
		{"ms", 0, "not a duration"},
		{"-5s", 0, "not a duration"},
		{"1.5h", 0, "not a duration"},
		{"5 parsecs", 0, "not a duration"},
		{"5M", 0, "not a duration"},
		{"5s5", 0, "not a duration"},
	};

	(void)state;
	CHECK(HC_OPT_DURATION, cases);
}

static void percentages(void **state)
{
	static const struct case_ cases[] = {
		{"0%", 0, NULL},
		{"66%", 6600, NULL},
		{"66.5%", 6650, NULL},
		{"66.05%", 6605, NULL},
		{"100%", 10000, NULL},
		{"100.00%", 10000, NULL},
		{"100.01%", 0, "more than 100%"},
		{"101%", 0, "more than 100%"},
		{"66", 0, "not a percentage"},
		{"66.%", 0, "not a percentage"},
		{"66.555%", 0, "not a percentage"},
		{"%", 0, "not a percentage"},
		{"-1%", 0, "not a percentage"},
		{"99999999999999999999%", 0, "not a percentage"},
		{"66%%", 0, "not a percentage"},
	};

	(void)state;
	CHECK(HC_OPT_PERCENT, cases);
}

static void shares(void **state)
{
	static const struct case_ cases[] = {
		{"66%", -6600, NULL},	       {"100%", -10000, NULL},
		{"8h", 28800000, NULL},	       {"0", 0, NULL},
		{"0%", 0, "not above 0%"},     {"0.00%", 0, "not above 0%"},
		{"200%", 0, "more than 100%"}, {"soon", 0, "neither a percentage nor a duration"},
	};

	(void)state;
	CHECK(HC_OPT_SHARE, cases);
	assert_int_equal(HC_SHARE_OF(-6600, 100000), 34000);
	assert_int_equal(HC_SHARE_OF(-10000, 100000), 0);
	assert_int_equal(HC_SHARE_OF(28800000, 100000), 28800000);
}

static void other_types_are_no_numbers(void **state)
{
	static const struct case_ cases[] = {{"1", 0, "no number"}};

	(void)state;
	CHECK(HC_OPT_STRING, cases);
	CHECK(990, cases);
}

/* The words fit exactly into the memory of the list: the sanitizer sees one byte more. */
static void words_need_no_more_than_the_list(void **state)
{
	static const char *const lists[] = {"", "a", "a,", ",,a, b\\,c ,\n d", "ab,cd,ef", " , "};
	static const size_t counts[] = {0, 1, 1, 3, 3, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const char *cursor = lists[i];
		char *buf = malloc(strlen(lists[i]) + 1), *at = buf;
		size_t n = 0;

		assert_non_null(buf);
		for (; option_next_word(&cursor, at); n++)
			at += strlen(at) + 1;
		assert_int_equal(n, counts[i]);
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(booleans),
		cmocka_unit_test(integers),
		cmocka_unit_test(durations),
		cmocka_unit_test(percentages),
		cmocka_unit_test(shares),
		cmocka_unit_test(other_types_are_no_numbers),
		cmocka_unit_test(words_need_no_more_than_the_list),
	};

	return cmocka_run_group_tests_name("option values", tests, NULL, NULL);
}
