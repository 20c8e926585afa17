/*
 * What a person sees: widths, cuts, wraps, times, and nothing that steers the terminal
 */
#include "ctl/grid.h"
#include "ctl/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ELLIPSIS "\xe2\x80\xa6"

static void measures_columns_not_bytes(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("redis"), 5);
	assert_int_equal(text_width("f\xc3\xbcr"), 3);
	assert_int_equal(text_width("e\xcc\x81"), 1);		     /* a combining accent */
	assert_int_equal(text_width("\xe8\xa8\xbc\xe6\x98\x8e"), 4); /* two wide characters */
	assert_int_equal(text_width("\xff"), 1);
	assert_int_equal(text_width("\x1b"), 4); /* \x1b, as it is shown */
}

static void expect_added(const char *text, size_t columns, const char *shown)
{
	struct str out = {0};

	text_add(&out, text, columns);
	assert_string_equal(str_get(&out), shown);
	assert_true(text_width(shown) <= columns);
	str_finish(&out);
}

static void cuts_between_characters(void **state)
{
	(void)state;
	expect_added("certificate", 11, "certificate");
	expect_added("certificate", 10, "certifica" ELLIPSIS);
	expect_added("certificate", 1, ELLIPSIS);
	expect_added("certificate", 0, "");
	expect_added("\xc3\xbc\xc3\xbc\xc3\xbc", 2, "\xc3\xbc" ELLIPSIS);
	expect_added("\xe8\xa8\xbc\xe6\x98\x8e", 3, "\xe8\xa8\xbc" ELLIPSIS);
	expect_added("\xe8\xa8\xbc\xe6\x98\x8e", 2, ELLIPSIS);
}

static void shows_control_characters(void **state)
{
	(void)state;
	expect_added("\x1b[31m", SIZE_MAX, "\\x1b[31m");
	expect_added("two\nlines", SIZE_MAX, "two lines");
	expect_added("\xc2\x9b", SIZE_MAX, "\\x9b"); /* CSI in one character */
	expect_added("\xe2\x80\xae"
		     "abc",
		     SIZE_MAX, "\\x202eabc"); /* right to left from here */
	expect_added("\xff\xc3", SIZE_MAX, "\xef\xbf\xbd\xef\xbf\xbd");
}

static void keeps_lines_where_asked_to(void **state)
{
	struct str out = {0};

	(void)state;
	text_add_lines(&out, "a\tb\n\x1b"
			     "c\n");
	assert_string_equal(str_get(&out), "a\tb\n\\x1bc\n");
	str_finish(&out);
}

static void wraps(void **state)
{
	const struct style style = {.columns = 30};
	struct str out = {0};

	(void)state;
	text_wrap(&out, "one two  three four five six seven\neight", 4, &style);
	assert_string_equal(str_get(&out), "    one two three four five\n"
					   "    six seven eight\n");
	str_clear(&out);
	text_wrap(&out, "  ", 4, &style);
	assert_string_equal(str_get(&out), "");
	text_wrap(&out, "a-word-that-is-longer-than-the-line-is x", 4, &style);
	assert_string_equal(str_get(&out), "    a-word-that-is-longer-than-the-line-is\n    x\n");
	str_finish(&out);
}

static void expect_span(int64_t ms, const char *shown)
{
	struct str out = {0};

	text_span(&out, ms);
	assert_string_equal(str_get(&out), shown);
	str_finish(&out);
}

static void says_times_in_two_units(void **state)
{
	const int64_t s = 1000, min = 60 * s, h = 60 * min, d = 24 * h;
	struct str out = {0};

	(void)state;
	expect_span(0, "0 ms");
	expect_span(350, "350 ms");
	expect_span(12 * s + 999, "12 s");
	expect_span(80 * s, "1 min 20 s");
	expect_span(3 * min, "3 min");
	expect_span(11 * min + 40 * s, "11 min");
	expect_span(5 * h + 12 * min, "5 h 12 min");
	expect_span(5 * h + 30 * s, "5 h");
	expect_span(3 * d + 4 * h, "3 d 4 h");
	expect_span(3 * d + 4 * min, "3 d");
	expect_span(90 * d + 4 * h, "90 d");
	text_when(&out, 10000, 10999);
	str_add(&out, ", ");
	text_when(&out, 10000, 15000);
	str_add(&out, ", ");
	text_when(&out, 15000, 10000);
	assert_string_equal(str_get(&out), "now, 5 s ago, in 5 s");
	str_finish(&out);
}

static void says_dates_with_their_zone(void **state)
{
	struct str out = {0};

	(void)state;
	setenv("TZ", "UTC-2", 1);
	tzset();
	text_date(&out, INT64_C(1785578650123));
	assert_string_equal(str_get(&out), "2026-08-01 12:04:10 +0200");
	str_finish(&out);
}

/* ---- the grid ---- */

static void fill(struct grid *g)
{
	static const char *const cells[][3] = {
		{"NAME", "STATE", "RESULT"},
		{"f\xc3\xbcr", "ok", "a result of many words"},
		{"longer", "retry", NULL},
	};

	for (size_t i = 0; i < 3; i++) {
		grid_row(g);
		for (size_t k = 0; k < 3; k++)
			grid_cell(g, i == 2 && k == 1 ? TONE_BAD : TONE_PLAIN, cells[i][k]);
	}
	grid_note(g, TONE_DIM, "note %d", 1);
}

static void aligns(void **state)
{
	const struct style style = {.columns = 80};
	struct str out = {0};
	struct grid g = {0};

	(void)state;
	fill(&g);
	grid_print(&g, &out, &style);
	assert_string_equal(str_get(&out), "NAME    STATE  RESULT\n"
					   "f\xc3\xbcr     ok     a result of many words\n"
					   "longer  retry\n"
					   "    note 1\n");
	str_finish(&out);
	grid_finish(&g);
}

static void cuts_and_colours_on_a_terminal(void **state)
{
	const struct style style = {.colour = true, .terminal = true, .columns = 24};
	struct str out = {0};
	struct grid g = {0};

	(void)state;
	fill(&g);
	grid_print(&g, &out, &style);
	assert_string_equal(str_get(&out), "NAME    STATE  RESULT\n"
					   "f\xc3\xbcr     ok     a result" ELLIPSIS "\n"
					   "longer  \033[31mretry\033[0m\n"
					   "\033[2m    note 1\033[0m\n");
	str_finish(&out);
	grid_finish(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measures_columns_not_bytes),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(shows_control_characters),
		cmocka_unit_test(keeps_lines_where_asked_to),
		cmocka_unit_test(wraps),
		cmocka_unit_test(says_times_in_two_units),
		cmocka_unit_test(says_dates_with_their_zone),
		cmocka_unit_test(aligns),
		cmocka_unit_test(cuts_and_colours_on_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
