/*
 * Answers: whatever the texts are, the line is JSON that says the same
 */
#include "base/mem.h"
#include "main/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

static void writes_every_kind_of_member(void **state)
{
	struct errors errors = {0};
	struct answer a = {0};

	(void)state;
	errors_add(&errors, "one");
	errors_add(&errors, "two");
	answer_begin(&a, true);
	answer_text(&a, "text", "word");
	answer_text(&a, "none", NULL);
	answer_int(&a, "least", INT64_MIN);
	answer_time(&a, "never", 0);
	answer_time(&a, "forever", INT64_MAX);
	answer_time(&a, "at", 1500);
	answer_errors(&a, "errors", &errors);
	answer_array(&a, "list");
	answer_object(&a, NULL);
	answer_close(&a);
	answer_object(&a, NULL);
	answer_bool(&a, "deep", false);
	answer_end(&a);
	assert_string_equal(str_get(&a.text),
			    "{\"ok\":true,\"text\":\"word\",\"none\":null,"
			    "\"least\":-9223372036854775808,\"never\":null,\"forever\":null,"
			    "\"at\":1500,\"errors\":[\"one\",\"two\"],"
			    "\"list\":[{},{\"deep\":false}]}\n");
	answer_finish(&a);
	errors_finish(&errors);
}

/* The text that a reader of JSON gets for this one. */
static char *there_and_back(const char *text)
{
	struct answer a = {0};
	json_auto_t *root = NULL;
	char *back;

	answer_begin(&a, true);
	answer_text(&a, "text", text);
	answer_end(&a);
	assert_ptr_equal(strchr(str_get(&a.text), '\n'), str_get(&a.text) + a.text.len - 1);
	root = json_loads(str_get(&a.text), 0, NULL);
	assert_non_null(root);
	back = strdup(json_string_value(json_object_get(root, "text")));
	answer_finish(&a);
	return back;
}

static void escapes_what_json_must_not_have(void **state)
{
	static const char *const texts[] = {
		"",
		"plain",
		"\"quoted\\\"",
		"lines\nand\ttabs\r\x01\x1f\x7f",
		"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\xa5",
		"\x1b[31mred",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cleanup_free char *back = there_and_back(texts[i]);

		assert_string_equal(back, texts[i]);
	}
}

static void replaces_what_is_not_utf8(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{"a\xff\x62", "a\xef\xbf\xbd\x62"},
		{"\xc3", "\xef\xbf\xbd"}, /* cut at its end */
		{"\xc3\xa9\xc3", "\xc3\xa9\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},		  /* overlong */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup_free char *back = there_and_back(cases[i].text);

		assert_string_equal(back, cases[i].shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_every_kind_of_member),
		cmocka_unit_test(escapes_what_json_must_not_have),
		cmocka_unit_test(replaces_what_is_not_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
