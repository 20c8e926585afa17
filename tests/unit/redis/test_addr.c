/* common/stream_addr: what may stand in `address` */
#include "common/stream_addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PATH107                                                                                    \
	"/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"           \
	"0123456789/012345678/12345"

static void accepted(const char *text, enum stream_kind kind, const char *host, unsigned port,
		     const char *formatted)
{
	struct stream_addr addr;
	const char *why = NULL;
	char buf[300];

	assert_int_equal(stream_addr_parse(text, 6379, &addr, &why), 0);
	assert_int_equal(addr.kind, kind);
	assert_string_equal(addr.host, host);
	assert_int_equal(addr.port, port);
	stream_addr_format(&addr, buf, sizeof(buf));
	assert_string_equal(buf, formatted);
}

static void refused(const char *text, const char *says)
{
	struct stream_addr addr = {.port = 4711};
	const char *why = NULL;

	assert_int_equal(stream_addr_parse(text, 6379, &addr, &why), -EINVAL);
	assert_non_null(why);
	assert_non_null(strstr(why, says));
	assert_int_equal(addr.port, 4711);
}

static void names_and_literals(void **state)
{
	(void)state;
	accepted("redis.internal", STREAM_TLS, "redis.internal", 6379, "redis.internal:6379");
	accepted("redis.internal:6380", STREAM_TLS, "redis.internal", 6380, "redis.internal:6380");
	accepted("10.0.0.5:1", STREAM_TLS, "10.0.0.5", 1, "10.0.0.5:1");
	accepted("[::1]:65535", STREAM_TLS, "::1", 65535, "[::1]:65535");
	accepted("[fe80::1%eth0]", STREAM_TLS, "fe80::1%eth0", 6379, "[fe80::1%eth0]:6379");
	accepted("unix.internal:7", STREAM_TLS, "unix.internal", 7, "unix.internal:7");
}

static void plain_tcp_is_spelled_out(void **state)
{
	(void)state;
	accepted("tcp:localhost", STREAM_TCP, "localhost", 6379, "tcp:localhost:6379");
	accepted("tcp:[::1]:6380", STREAM_TCP, "::1", 6380, "tcp:[::1]:6380");
}

static void unix_sockets(void **state)
{
	(void)state;
	assert_int_equal(strlen(PATH107), 104);
	accepted("unix:/run/redis/r.sock", STREAM_UNIX, "/run/redis/r.sock", 0,
		 "unix:/run/redis/r.sock");
	accepted("unix:" PATH107 "abc", STREAM_UNIX, PATH107 "abc", 0, "unix:" PATH107 "abc");
	refused("unix:" PATH107 "abcd", "shorter than 108");
	refused("unix:run/redis", "absolute");
	refused("unix:", "absolute");
	refused("/run/redis/r.sock", "write unix:/path");
}

static void refusals_say_what_to_write(void **state)
{
	char long_name[400];

	(void)state;
	refused("rediss://redis.internal:6379", "write host:port");
	refused("::1", "in brackets");
	refused("::1:6379", "in brackets");
	refused("[::1", "in brackets");
	refused("[::1]6379", "in brackets");
	refused("", "no valid host");
	refused(":6379", "no valid host");
	refused("[]:6379", "no valid host");
	refused("a b:6379", "no valid host");
	refused("a\n:6379", "no valid host");
	refused("redis/x:6379", "no valid host");
	refused("redis:", "no valid port");
	refused("redis:0", "no valid port");
	refused("redis:65536", "no valid port");
	refused("redis:-1", "no valid port");
	refused("redis:+1", "no valid port");
	refused("redis: 1", "no valid port");
	refused("redis:6379x", "no valid port");
	refused("redis:99999999999999999999", "no valid port");
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	refused(long_name, "no valid host");
}

static void no_default_port(void **state)
{
	struct stream_addr addr;
	const char *why;

	(void)state;
	assert_int_equal(stream_addr_parse("redis", 0, &addr, &why), -EINVAL);
	assert_int_equal(stream_addr_parse("redis:1", 0, &addr, &why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_literals), cmocka_unit_test(plain_tcp_is_spelled_out),
		cmocka_unit_test(unix_sockets),	      cmocka_unit_test(refusals_say_what_to_write),
		cmocka_unit_test(no_default_port),
	};

	return cmocka_run_group_tests_name("redis/addr", tests, NULL, NULL);
}
