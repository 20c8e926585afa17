/* redis/reply: what the servers' error replies mean, in the wording of the versions that send them
 */
#include "redis/reply.h"

#include <hotcert/plugin.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void means(const char *text, enum reply_kind kind, int32_t status)
{
	assert_int_equal(reply_classify_error(text, strlen(text)), kind);
	assert_int_equal(reply_status(kind), status);
}

static void codes_decide(void **state)
{
	(void)state;
	means("NOAUTH Authentication required.", REPLY_NOAUTH, HC_FAILED);
	means("NOAUTH HELLO must be called with the client already authenticated, otherwise the "
	      "HELLO AUTH <user> <pass> option can be used",
	      REPLY_NOAUTH, HC_FAILED);
	means("WRONGPASS invalid username-password pair or user is disabled.", REPLY_WRONGPASS,
	      HC_RETRY);
	means("NOPERM this user has no permissions to run the 'config' command or its subcommand",
	      REPLY_NOPERM, HC_FAILED);
	means("NOPERM User certreload has no permissions to run the 'config|set' command",
	      REPLY_NOPERM, HC_FAILED);
	means("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
	      "NOSAVE.",
	      REPLY_BUSY, HC_RETRY);
	means("LOADING Redis is loading the dataset in memory", REPLY_LOADING, HC_RETRY);
	means("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
	      REPLY_MASTERDOWN, HC_RETRY);
	means("DENIED Redis is running in protected mode because protected mode is enabled",
	      REPLY_DENIED, HC_FAILED);
}

static void words_of_err_decide(void **state)
{
	(void)state;
	means("ERR AUTH <password> called without any password configured for the default user. "
	      "Are you sure your configuration is correct?",
	      REPLY_NO_PASSWORD, HC_OK);
	means("ERR max number of clients reached", REPLY_FULL, HC_RETRY);
	means("ERR max number of clients + cluster connections reached", REPLY_FULL, HC_RETRY);
	means("ERR unknown command `CONFIG`, with args beginning with: `GET`, ", REPLY_NO_CONFIG,
	      HC_FAILED);
	means("ERR unknown command 'CONFIG', with args beginning with: 'GET' ", REPLY_NO_CONFIG,
	      HC_FAILED);
	means("ERR Unknown option or number of arguments for CONFIG SET - 'tls-cert-file'",
	      REPLY_NO_TLS, HC_FAILED);
	means("ERR Unsupported CONFIG parameter: tls-cert-file", REPLY_NO_TLS, HC_FAILED);
	means("ERR CONFIG SET failed (possibly related to argument 'tls-cert-file') - Unable to "
	      "update TLS configuration. Check server logs.",
	      REPLY_REFUSED, HC_FAILED);
	means("ERR Invalid argument '/x.crt' for CONFIG SET 'tls-cert-file' - Unable to update TLS "
	      "configuration. Check server logs.",
	      REPLY_REFUSED, HC_FAILED);
	means("ERR something else", REPLY_ERROR, HC_FAILED);
}

static void unknown_codes_are_tried_again(void **state)
{
	(void)state;
	means("CLUSTERDOWN The cluster is down", REPLY_OTHER, HC_RETRY);
	means("", REPLY_OTHER, HC_RETRY);
	means(" ", REPLY_OTHER, HC_RETRY);
	means("NOAUTHX", REPLY_OTHER, HC_RETRY);
	means("NOAUT", REPLY_OTHER, HC_RETRY);
	means("noauth", REPLY_OTHER, HC_RETRY);
	means("ERRunknown command", REPLY_OTHER, HC_RETRY);
	means("NOAUTH", REPLY_NOAUTH, HC_FAILED);
	means("ERR", REPLY_ERROR, HC_FAILED);
}

static const char *explained(const char *text, const char *user)
{
	static char out[480];
	redisReply reply = {
		.type = REDIS_REPLY_ERROR, .str = (char *)(uintptr_t)text, .len = strlen(text)};

	reply_explain(&reply, user, "+config|get +config|set", out, sizeof(out));
	return out;
}

static void explanations_say_what_to_do(void **state)
{
	(void)state;
	assert_string_equal(
		explained("NOPERM no", "certreload"),
		"NOPERM no; on the server: ACL SETUSER certreload +config|get +config|set");
	assert_non_null(strstr(explained("NOAUTH x", "default"), "set password_file"));
	assert_non_null(strstr(explained("WRONGPASS x", "u"), "correct username or password_file"));
	assert_string_equal(explained("ERR something else", "u"), "ERR something else");
}

static void quotes_are_short_and_printable(void **state)
{
	char long_text[2000], out[REPLY_QUOTE_MAX + 1], small[4];

	(void)state;
	reply_quote("a\x1b[31m\r\nb\xff", 9, out, sizeof(out));
	assert_string_equal(out, "a?[31m??b");
	memset(long_text, 'x', sizeof(long_text));
	reply_quote(long_text, sizeof(long_text), out, sizeof(out));
	assert_int_equal(strlen(out), REPLY_QUOTE_MAX);
	reply_quote("abcdef", 6, small, sizeof(small));
	assert_string_equal(small, "abc");
}

static void only_errors_are_errors(void **state)
{
	char text[] = "NOAUTH";
	redisReply reply = {.type = REDIS_REPLY_STATUS, .str = text, .len = 6};

	(void)state;
	assert_int_equal(reply_classify(&reply), REPLY_FINE);
	reply.type = REDIS_REPLY_STRING;
	assert_int_equal(reply_classify(&reply), REPLY_FINE);
	reply.type = REDIS_REPLY_ERROR;
	assert_int_equal(reply_classify(&reply), REPLY_NOAUTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_decide),
		cmocka_unit_test(words_of_err_decide),
		cmocka_unit_test(unknown_codes_are_tried_again),
		cmocka_unit_test(explanations_say_what_to_do),
		cmocka_unit_test(quotes_are_short_and_printable),
		cmocka_unit_test(only_errors_are_errors),
	};

	return cmocka_run_group_tests_name("redis/reply", tests, NULL, NULL);
}
