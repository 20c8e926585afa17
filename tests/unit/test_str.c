/*
 * Growing strings, "did you mean", UTF-8; the arena
 */
#include "base/arena.h"
#include "base/errors.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void grows(void **state)
{
	struct str s = {0};
	cleanup_free char *text = NULL;

	(void)state;
	assert_string_equal(str_get(&s), "");
	for (int i = 0; i < 1000; i++)
		str_addf(&s, "%03d,", i);
	assert_int_equal(s.len, 4000);
	assert_memory_equal(str_get(&s) + 3996, "999,", 5);
	str_clear(&s);
	assert_string_equal(str_get(&s), "");
	str_add(&s, "a");
	str_add_n(&s, "bcd", 2);
	text = str_take(&s);
	assert_string_equal(text, "abc");
	assert_null(s.data);
}

static void takes_an_empty_string(void **state)
{
	struct str s = {0};
	cleanup_free char *text = str_take(&s);

	(void)state;
	assert_string_equal(text, "");
}

static void refuses_what_memory_cannot_hold(void **state)
{
	struct str s = {0};

	(void)state;
	str_add(&s, "kept");
	str_add_n(&s, "", SIZE_MAX - 2);
	assert_true(s.failed);
	assert_string_equal(str_get(&s), "kept");
	assert_null(str_take(&s));
}

static void formats(void **state)
{
	cleanup_free char *text = str_format("%s:%d", "a", 7);

	(void)state;
	assert_string_equal(text, "a:7");
}

static void shows_hex(void **state)
{
	const uint8_t data[] = {0x00, 0x1f, 0xa0, 0xff};
	char out[9];

	(void)state;
	str_hex(out, data, sizeof(data));
	assert_string_equal(out, "001fa0ff");
}

static void finds_the_nearest(void **state)
{
	static const char *const keys[] = {"directory", "cert", "key", "ca", "password_file"};
	static const struct {
		const char *word;
		const char *nearest;
	} cases[] = {
		{"directry", "directory"},
		{"Directory", "directory"},
		{"CERT", "cert"},
		{"crt", "cert"},
		{"kye", "key"},
		{"password", "password_file"},
		{"certs", "cert"},
		{"dir", "directory"},
		{"unrelated", NULL},
		{"", NULL},
		{"x", NULL},
		{"zz", NULL},
	};
	char longer[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *found = str_nearest(cases[i].word, keys, 5);

		if (cases[i].nearest)
			assert_string_equal(found ? found : "", cases[i].nearest);
		else
			assert_null(found);
	}
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_null(str_nearest(longer, keys, 5));
	assert_null(str_nearest("cert", keys, 0));
}

static void knows_utf8(void **state)
{
	static const char *const good[] = {
		"",
		"abc",
		"\xc3\xa4",
		"\xe2\x82\xac",
		"\xf0\x9f\x94\x91",
		"\xef\xbf\xbf",
		"\xf4\x8f\xbf\xbf",
	};
	static const char *const bad[] = {
		"\x80",		    /* a continuation alone */
		"\xc3",		    /* cut */
		"\xe2\x82",	    /* cut */
		"\xc0\xaf",	    /* overlong */
		"\xe0\x80\xaf",	    /* overlong */
		"\xf0\x80\x80\xaf", /* overlong */
		"\xed\xa0\x80",	    /* a surrogate */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xe2\x28\xa1",	    /* no continuation */
		"\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(str_is_utf8(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(str_is_utf8(bad[i], strlen(bad[i])));
	assert_true(str_is_utf8("a\0b", 3));
}

static void arena_gives_aligned_zeroed_memory(void **state)
{
	struct arena a = {0};
	char *small, *text;
	uint64_t *numbers;
	void *large;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		small = arena_strdup(&a, "x");
		numbers = arena_alloc(&a, 3 * sizeof(*numbers));
		assert_string_equal(small, "x");
		assert_int_equal((uintptr_t)numbers % _Alignof(max_align_t), 0);
		assert_int_equal(numbers[0] | numbers[1] | numbers[2], 0);
		memset(numbers, 0xff, 3 * sizeof(*numbers));
	}
	large = arena_alloc(&a, 1 << 20);
	assert_non_null(large);
	memset(large, 1, 1 << 20);
	text = arena_strndup(&a, "cut here", 3);
	assert_string_equal(text, "cut");
	assert_non_null(arena_alloc(&a, 0));
	assert_null(arena_alloc(&a, SIZE_MAX - 100));
	arena_finish(&a);
	arena_finish(&a);
}

static void errors_are_gathered(void **state)
{
	struct errors e = {0};

	(void)state;
	errors_add(&e, "first %d", 1);
	errors_add(&e, "second");
	assert_int_equal(e.n, 2);
	assert_string_equal(e.text[0], "first 1");
	assert_string_equal(e.text[1], "second");
	errors_finish(&e);
	assert_int_equal(e.n, 0);
	errors_finish(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows),
		cmocka_unit_test(takes_an_empty_string),
		cmocka_unit_test(refuses_what_memory_cannot_hold),
		cmocka_unit_test(formats),
		cmocka_unit_test(shows_hex),
		cmocka_unit_test(finds_the_nearest),
		cmocka_unit_test(knows_utf8),
		cmocka_unit_test(arena_gives_aligned_zeroed_memory),
		cmocka_unit_test(errors_are_gathered),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
