/* redis/wanted: which served chains are the file's */
#include "redis/wanted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Certificates as letters: "lir" is leaf, intermediate, root. */
static struct tls_chain chain(const char *letters)
{
	struct tls_chain c = {.n = 0};

	for (; *letters; letters++)
		memset(c.sha256[c.n++], *letters, 32);
	return c;
}

static bool served(const char *file, const char *shown)
{
	struct wanted wanted = {.chain = chain(file)};
	struct tls_chain c = chain(shown);

	return wanted_is_served(&wanted, &c);
}

static void chains_are_compared_whole(void **state)
{
	(void)state;
	assert_true(served("li", "li"));
	assert_false(served("li", "xi"));
	assert_false(served("li", "lx"));
	assert_false(served("li", "l"));
	assert_false(served("li", "lir"));
	assert_false(served("li", ""));
}

/* OpenSSL completes a lone leaf from the server's CA file. */
static void a_lone_leaf_may_be_completed(void **state)
{
	(void)state;
	assert_true(served("l", "l"));
	assert_true(served("l", "lir"));
	assert_false(served("l", "x"));
	assert_false(served("l", "il"));
	assert_false(served("l", ""));
}

static void chains_are_told_by_leaf_and_end(void **state)
{
	struct tls_chain c = chain("l");
	char text[64];

	(void)state;
	c.not_after = 1795578067000;
	wanted_chain_format(&c, text, sizeof(text));
	assert_string_equal(text, "6c6c6c6c… until 2026-11-25 03:41:07 UTC");
	c.n = 0;
	wanted_chain_format(&c, text, sizeof(text));
	assert_string_equal(text, "no certificate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_are_compared_whole),
		cmocka_unit_test(a_lone_leaf_may_be_completed),
		cmocka_unit_test(chains_are_told_by_leaf_and_end),
	};

	return cmocka_run_group_tests_name("redis/wanted", tests, NULL, NULL);
}
