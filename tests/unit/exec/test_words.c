/* common/words: how a command line becomes words */
#include "common/words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Joins the words with '|' or gives the complaint. */
static const char *split(const char *line)
{
	static char out[256];
	const char *why = NULL;
	char **words = NULL;
	int n = words_split(line, &words, &why);

	if (n < 0) {
		assert_int_equal(n, -EINVAL);
		assert_null(words);
		return why;
	}
	out[0] = '\0';
	for (int i = 0; i < n; i++) {
		if (i)
			strcat(out, "|");
		strcat(out, words[i]);
	}
	assert_null(words[n]);
	free(words);
	return out;
}

static void blanks_separate(void **state)
{
	(void)state;
	assert_string_equal(split("systemctl reload nginx"), "systemctl|reload|nginx");
	assert_string_equal(split("  a \t b\n\tc\r\n"), "a|b|c");
	assert_string_equal(split("a"), "a");
	assert_string_equal(split("/bin/deploy --names=a,b --pattern=*.pem $HOME ~"),
			    "/bin/deploy|--names=a,b|--pattern=*.pem|$HOME|~");
}

static void quotes_keep(void **state)
{
	(void)state;
	assert_string_equal(split("sh -c 'a && b > \"c\" \\d'"), "sh|-c|a && b > \"c\" \\d");
	assert_string_equal(split("a \"b \\\" \\\\ \\n c\" d"), "a|b \" \\ \\n c|d");
	assert_string_equal(split("a 'b'\"c\"d\\ e"), "a|bcd e");
	assert_string_equal(split("a '' \"\" b"), "a|||b");
	assert_string_equal(split("grep \\| '|' x'&&'"), "grep|||||x&&");
}

static void faults_are_named(void **state)
{
	const char *const shell[] = {"a | b", "a && b", "a || b", "a ; b",  "a &",
				     "a > b", "a < b",	"a >> b", "a 2>&1", "a 2> b"};

	(void)state;
	assert_string_equal(split("a 'b c"), "has a quote that is not closed");
	assert_string_equal(split("a \"b c\\\""), "has a quote that is not closed");
	assert_string_equal(split("a \"b c\\"), "has a quote that is not closed");
	assert_string_equal(split("a b\\"), "ends with a backslash");
	assert_string_equal(split(""), "names no program");
	assert_string_equal(split(" \n "), "names no program");
	assert_string_equal(split("'' b"), "names no program");
	for (size_t i = 0; i < sizeof(shell) / sizeof(*shell); i++)
		assert_non_null(strstr(split(shell[i]), "sh -c"));
}

/* The block is measured by the length of the line: the worst cases fit (ASan looks). */
static void worst_cases_fit(void **state)
{
	char line[2001];

	(void)state;
	for (size_t len = 0; len < 40; len++) {
		char **words = NULL;
		const char *why;

		for (size_t i = 0; i < len; i++)
			line[i] = i % 2 ? ' ' : 'a';
		line[len] = '\0';
		if (words_split(line, &words, &why) > 0)
			free(words);
	}
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	char **words = NULL;
	const char *why;

	assert_int_equal(words_split(line, &words, &why), 1);
	assert_int_equal(strlen(words[0]), 2000);
	free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_separate),
		cmocka_unit_test(quotes_keep),
		cmocka_unit_test(faults_are_named),
		cmocka_unit_test(worst_cases_fit),
	};

	return cmocka_run_group_tests_name("common/words", tests, NULL, NULL);
}
