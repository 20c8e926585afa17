/*
 * Requests: what is right is taken apart, what is wrong is refused with a reason
 */
#include "main/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void takes_a_request_apart(void **state)
{
	static const char line[] = "{\"cmd\":\"do\",\"args\":[\"redis:a\",\"check\",\"\"],"
				   "\"timeout_ms\":1500,\"within_ms\":0,\"new\":{\"x\":[]}} \r";
	struct request r;
	char why[256];

	(void)state;
	assert_int_equal(request_parse(&r, line, strlen(line), why, sizeof(why)), 0);
	assert_string_equal(r.cmd, "do");
	assert_int_equal(r.n_args, 3);
	assert_string_equal(r.args[1], "check");
	assert_string_equal(r.args[2], "");
	assert_null(r.args[3]);
	assert_int_equal(r.timeout_ms, 1500);
	request_finish(&r);
	assert_int_equal(request_parse(&r, "{\"cmd\":\"sync\"}", 14, why, sizeof(why)), 0);
	assert_int_equal(r.n_args, 0);
	assert_null(r.args[0]);
	request_finish(&r);
}

static void refuses(void **state)
{
	static const char *const lines[] = {
		"",
		"status",
		"{",
		"[]",
		"null",
		"{}",
		"{\"cmd\":7}",
		"{\"cmd\":\"status\"} {}",
		"{\"cmd\":\"a\",\"cmd\":\"b\"}",
		"{\"cmd\":\"a\\u0000b\"}",
		"{\"cmd\":\"status\",\"args\":\"redis\"}",
		"{\"cmd\":\"status\",\"args\":[7]}",
		"{\"cmd\":\"status\",\"args\":{}}",
		"{\"cmd\":\"sync\",\"timeout_ms\":-1}",
		"{\"cmd\":\"sync\",\"timeout_ms\":1.5}",
		"{\"cmd\":\"sync\",\"timeout_ms\":\"1s\"}",
		"{\"cmd\":\"wait-expiry\",\"within_ms\":9223372036854775807}",
		"{\"cmd\":\"wait-expiry\",\"within_ms\":99999999999999999999}",
		"{\"cmd\":\"\xff\"}",
	};
	struct request r;
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		why[0] = '\0';
		if (request_parse(&r, lines[i], strlen(lines[i]), why, sizeof(why)) != -EINVAL)
			fail_msg("taken: %s", lines[i]);
		assert_true(*why);
	}
}

static void bounds_the_number_of_arguments(void **state)
{
	struct request r;
	char line[1024], why[256];

	(void)state;
	for (int n = REQUEST_ARGS_MAX; n <= REQUEST_ARGS_MAX + 1; n++) {
		int len = snprintf(line, sizeof(line), "{\"cmd\":\"do\",\"args\":[\"x\"");

		for (int i = 1; i < n; i++)
			len += snprintf(line + len, sizeof(line) - (size_t)len, ",\"x\"");
		len += snprintf(line + len, sizeof(line) - (size_t)len, "]}");
		assert_int_equal(request_parse(&r, line, (size_t)len, why, sizeof(why)),
				 n > REQUEST_ARGS_MAX ? -EINVAL : 0);
		if (n <= REQUEST_ARGS_MAX)
			request_finish(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_request_apart),
		cmocka_unit_test(refuses),
		cmocka_unit_test(bounds_the_number_of_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
