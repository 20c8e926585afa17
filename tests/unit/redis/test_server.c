/* redis/reader, redis/server and redis/files: replies in, the command that loads the files out */
#include "redis/files.h"
#include "redis/reader.h"
#include "redis/server.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A reply of these bytes; free with freeReplyObject(). */
static redisReply *parsed(const char *bytes)
{
	struct reader reader;
	redisReply *reply = NULL;

	assert_int_equal(reader_init(&reader), 0);
	assert_int_equal(reader_feed(&reader, bytes, strlen(bytes)), 0);
	assert_int_equal(reader_next(&reader, &reply), 1);
	reader_finish(&reader);
	return reply;
}

static void take(struct server *server, const char *bytes)
{
	redisReply *reply = parsed(bytes);

	if (strstr(bytes, "proto"))
		server_take_hello(server, reply);
	else
		assert_int_equal(server_take_config(server, reply), 0);
	freeReplyObject(reply);
}

#define HELLO(product, version, mode)                                                              \
	"*14\r\n+server\r\n+" product "\r\n+version\r\n+" version                                  \
	"\r\n+proto\r\n:2\r\n+id\r\n:7\r\n+mode\r\n+" mode                                         \
	"\r\n+role\r\n+master\r\n+modules\r\n*0\r\n"

static void form_is(const char *hello, enum set_form form)
{
	struct server server;

	server_init(&server);
	take(&server, hello);
	assert_int_equal(server_set_form(&server), form);
	server_finish(&server);
}

static void versions_decide_the_form(void **state)
{
	(void)state;
	form_is(HELLO("redis", "6.0.20", "standalone"), SET_SINGLE);
	form_is(HELLO("redis", "6.2.14", "standalone"), SET_SINGLE);
	form_is(HELLO("redis", "7.0.0", "standalone"), SET_RESPELLED);
	form_is(HELLO("redis", "7.0.1", "standalone"), SET_MULTI);
	form_is(HELLO("redis", "7.0.15", "cluster"), SET_MULTI);
	form_is(HELLO("redis", "8.0.2", "standalone"), SET_MULTI);
	form_is(HELLO("valkey", "8.1.1", "standalone"), SET_MULTI);
	form_is(HELLO("redis", "255.255.255", "standalone"), SET_MULTI);
	form_is(HELLO("redis", "what", "standalone"), SET_MULTI);
	form_is("*3\r\n+proto\r\n:2\r\n+version\r\n", SET_MULTI);
}

static void hello_is_described(void **state)
{
	struct server server;
	char text[80];

	(void)state;
	server_init(&server);
	server_describe(&server, text, sizeof(text));
	assert_string_equal(text, "a server of unknown version");
	take(&server, HELLO("redis", "7.0.15", "sentinel"));
	server_describe(&server, text, sizeof(text));
	assert_string_equal(text, "redis 7.0.15 sentinel master");
	assert_string_equal(server.mode, "sentinel");
	take(&server,
	     HELLO("\x1b[31mredis", "7.0.15-a-very-long-version-that-does-not-end", "x y"));
	server_describe(&server, text, sizeof(text));
	assert_string_equal(text, " 7.0.15-a-very-long-vers x master");
	server_finish(&server);
}

static void picks(const char *bind, const char *host)
{
	char buf[64];

	server_pick_host(bind, buf, sizeof(buf));
	assert_string_equal(buf, host);
}

static void bind_says_where_to_look(void **state)
{
	(void)state;
	picks("", "127.0.0.1");
	picks("* -::*", "127.0.0.1");
	picks("127.0.0.1 -::1", "127.0.0.1");
	picks("10.0.0.5", "10.0.0.5");
	picks("10.0.0.5 127.0.0.1", "127.0.0.1");
	picks("-::1 10.0.0.5", "::1");
	picks("-10.0.0.5 10.0.0.6", "10.0.0.5");
	picks("::*", "::1");
	picks("  ", "127.0.0.1");
}

#define PATH(path)                                                                                 \
	{                                                                                          \
		(char[]){path}, (char[])                                                           \
		{                                                                                  \
			path                                                                       \
		}                                                                                  \
	}

static const struct wanted watched = {
	.cert = PATH("/tls/redis.crt"),
	.key = PATH("/tls/redis.key"),
	.ca = PATH("/tls/ca.crt"),
};

#define FILES(cert, key, ca)                                                                       \
	"*12\r\n$16\r\ntls-ca-cert-file\r\n" ca "$13\r\ntls-cert-file\r\n" cert                    \
	"$19\r\ntls-client-key-file\r\n$0\r\n\r\n$20\r\ntls-client-cert-file\r\n$0\r\n\r\n"        \
	"$18\r\ntls-dh-params-file\r\n$0\r\n\r\n$12\r\ntls-key-file\r\n" key
#define CERT "$14\r\n/tls/redis.crt\r\n"
#define KEY "$14\r\n/tls/redis.key\r\n"
#define CA "$11\r\n/tls/ca.crt\r\n"
#define NONE "$0\r\n\r\n"

static const struct view ours = {.root = -1};

static void join(const struct files_set *set, char *joined)
{
	joined[0] = '\0';
	for (int i = 0; i < set->argc; i++) {
		strcat(joined, i ? " " : "");
		strcat(joined, set->argv[i]);
	}
}

static void command_with(const char *passphrase, const char *hello, const char *files,
			 const char *words)
{
	struct files_use use = {.ca = false};
	struct files_set set;
	struct server server;
	struct files_order order = {"CONFIG", &server, &watched, &use, passphrase};
	char why[1400], joined[1000];

	server_init(&server);
	take(&server, hello);
	take(&server, files);
	assert_int_equal(files_compare(&server, &watched, &ours, false, &use, why, sizeof(why)), 0);
	assert_int_equal(files_set_command(&order, &set), 0);
	join(&set, joined);
	assert_string_equal(joined, words);
	server_finish(&server);
}

static void command_is(const char *hello, const char *files, const char *words)
{
	command_with(NULL, hello, files, words);
}

static void commands_by_version(void **state)
{
	(void)state;
	command_is(HELLO("redis", "7.0.15", "standalone"), FILES(CERT, KEY, CA),
		   "CONFIG SET tls-cert-file /tls/redis.crt tls-key-file /tls/redis.key "
		   "tls-ca-cert-file /tls/ca.crt");
	command_is(HELLO("redis", "7.0.15", "standalone"),
		   FILES(CERT, KEY, "$12\r\n/tls/ca2.crt\r\n"),
		   "CONFIG SET tls-cert-file /tls/redis.crt tls-key-file /tls/redis.key");
	command_is(HELLO("redis", "7.0.15", "standalone"),
		   "*8\r\n$13\r\ntls-cert-file\r\n" CERT "$12\r\ntls-key-file\r\n" KEY
		   "$20\r\ntls-client-cert-file\r\n" CERT "$19\r\ntls-client-key-file\r\n" KEY,
		   "CONFIG SET tls-cert-file /tls/redis.crt tls-key-file /tls/redis.key "
		   "tls-client-cert-file /tls/redis.crt tls-client-key-file /tls/redis.key");
	command_is(HELLO("redis", "6.2.14", "standalone"), FILES(CERT, KEY, CA),
		   "CONFIG SET tls-cert-file /tls/redis.crt");
	command_is(HELLO("redis", "7.0.0", "standalone"), FILES(CERT, KEY, NONE),
		   "CONFIG SET tls-cert-file /tls/./redis.crt tls-key-file /tls/./redis.key");
}

#define PAIRS                                                                                      \
	"*8\r\n$13\r\ntls-cert-file\r\n" CERT "$12\r\ntls-key-file\r\n" KEY                        \
	"$20\r\ntls-client-cert-file\r\n" CERT "$19\r\ntls-client-key-file\r\n" KEY

static void the_passphrase_is_sent_in_each_form(void **state)
{
	(void)state;
	command_with("pw", HELLO("redis", "7.0.15", "standalone"), FILES(CERT, KEY, CA),
		     "CONFIG SET tls-cert-file /tls/redis.crt tls-key-file /tls/redis.key "
		     "tls-key-file-pass pw tls-ca-cert-file /tls/ca.crt");
	command_with("pw", HELLO("redis", "7.0.15", "standalone"), PAIRS,
		     "CONFIG SET tls-cert-file /tls/redis.crt tls-key-file /tls/redis.key "
		     "tls-key-file-pass pw tls-client-cert-file /tls/redis.crt "
		     "tls-client-key-file /tls/redis.key tls-client-key-file-pass pw");
	command_with("pw", HELLO("redis", "6.2.14", "standalone"), FILES(CERT, KEY, CA),
		     "CONFIG SET tls-key-file-pass pw");
}

static void a_server_is_moved_and_moved_back(void **state)
{
	struct files_use use = {.ca = false};
	struct files_set set;
	struct server server;
	struct files_order order = {"cfg", &server, &watched, &use, NULL};
	char why[1400], joined[1000];

	(void)state;
	server_init(&server);
	take(&server, HELLO("redis", "7.2.4", "standalone"));
	take(&server, FILES("$10\r\n/old/c.crt\r\n", "$10\r\n/old/c.key\r\n", CA));
	assert_int_equal(files_compare(&server, &watched, &ours, true, &use, why, sizeof(why)), 0);
	assert_true(use.moves);
	assert_int_equal(files_set_command(&order, &set), 0);
	join(&set, joined);
	assert_string_equal(joined, "cfg SET tls-cert-file /tls/redis.crt tls-key-file "
				    "/tls/redis.key tls-ca-cert-file /tls/ca.crt");
	files_undo_command(&order, &set);
	join(&set, joined);
	assert_string_equal(joined, "cfg SET tls-cert-file /old/c.crt tls-key-file /old/c.key");
	take(&server, HELLO("redis", "6.2.14", "standalone"));
	assert_int_equal(files_compare(&server, &watched, &ours, true, &use, why, sizeof(why)),
			 -EINVAL);
	assert_non_null(strstr(why, "set_paths needs Redis 7.0"));
	server_finish(&server);
}

static void bus_is(const char *hello, const char *config, int port)
{
	struct server server;

	server_init(&server);
	take(&server, hello);
	take(&server, config);
	assert_int_equal(server_bus_port(&server), port);
	server_finish(&server);
}

#define BUS(port, tls, bus)                                                                        \
	"*6\r\n+tls-port\r\n+" port "\r\n+tls-cluster\r\n+" tls "\r\n+cluster-port\r\n+" bus "\r"  \
	"\n"

static void the_bus_is_where_it_is(void **state)
{
	(void)state;
	bus_is(HELLO("redis", "7.0.15", "cluster"), BUS("6379", "yes", "0"), 16379);
	bus_is(HELLO("redis", "7.0.15", "cluster"), BUS("6379", "yes", "7000"), 7000);
	bus_is(HELLO("redis", "7.0.15", "cluster"), BUS("6379", "no", "0"), 0);
	bus_is(HELLO("redis", "7.0.15", "cluster"), BUS("0", "yes", "0"), 0);
	bus_is(HELLO("redis", "7.0.15", "cluster"), BUS("60000", "yes", "0"), 0);
	bus_is(HELLO("redis", "7.0.15", "standalone"), BUS("6379", "yes", "0"), 0);
	bus_is(HELLO("redis", "6.2.14", "cluster"),
	       "*4\r\n+tls-port\r\n+1\r\n+tls-cluster\r\n+yes\r\n", 10001);
}

static void dates_are_checked_by_valkey_9_1(void **state)
{
	struct server server;

	(void)state;
	server_init(&server);
	take(&server, HELLO("valkey", "9.1.0", "standalone"));
	assert_true(server_checks_dates(&server));
	take(&server, HELLO("valkey", "9.0.9", "standalone"));
	assert_false(server_checks_dates(&server));
	take(&server, HELLO("redis", "9.1.0", "standalone"));
	assert_false(server_checks_dates(&server));
	server_finish(&server);
}

static void respelled(const char *path, const char *other)
{
	char buf[64];

	assert_int_equal(files_respell(path, buf, sizeof(buf)), 0);
	assert_string_equal(buf, other);
}

static void respelling_goes_back_and_forth(void **state)
{
	char buf[8];

	(void)state;
	respelled("/x/c.pem", "/x/./c.pem");
	respelled("/x/./c.pem", "/x/c.pem");
	respelled("c.pem", "./c.pem");
	respelled("./c.pem", "c.pem");
	respelled("/c.pem", "/./c.pem");
	respelled("/./c.pem", "/c.pem");
	respelled("/x/a./c.pem", "/x/a././c.pem");
	respelled("a./c.pem", "a././c.pem");
	respelled("../c.pem", ".././c.pem");
	assert_int_equal(files_respell("/xxx/c.pem", buf, sizeof(buf)), -ENAMETOOLONG);
}

static void refused(const char *files, const char *says)
{
	struct files_use use;
	struct server server;
	char why[1400];

	server_init(&server);
	take(&server, files);
	assert_int_equal(files_compare(&server, &watched, &ours, false, &use, why, sizeof(why)),
			 -EINVAL);
	assert_non_null(strstr(why, says));
	server_finish(&server);
}

static void other_files_are_not_reloaded(void **state)
{
	(void)state;
	refused(FILES("$13\r\n/tls/else.crt\r\n", KEY, CA),
		"tls-cert-file \"/tls/else.crt\", the watch has \"/tls/redis.crt\"");
	refused(FILES(CERT, "$13\r\n/tls/else.key\r\n", CA), "tls-key-file \"/tls/else.key\"");
	refused(FILES(NONE, KEY, CA), "tls-cert-file \"\"");
	refused("*0\r\n", "built without TLS");
	refused("+OK\r\n", "built without TLS");
	refused("*2\r\n*0\r\n:7\r\n", "built without TLS");
	refused("*1\r\n$13\r\ntls-cert-file\r\n", "built without TLS");
}

/* The same file under another name, through a link and relative to the server's directory. */
static void the_same_file_is_the_same(void **state)
{
	char dir[] = "/tmp/hotcert-test-XXXXXX", cert[64], link[64];
	struct wanted wanted = watched;
	struct files_use use = {.ca = false};
	struct server server;
	char why[1400];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/redis.crt", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	close(creat(cert, 0600));
	assert_int_equal(symlink("redis.crt", link), 0);
	wanted.cert = wanted.key = (struct wanted_path){cert, cert};
	wanted.ca = (struct wanted_path){NULL, NULL};
	server_init(&server);
	server.dir = strdup(dir);
	server.files[SERVER_CERT] = strdup(link);
	server.files[SERVER_KEY] = strdup("./redis.crt");
	assert_int_equal(files_compare(&server, &wanted, &ours, false, &use, why, sizeof(why)), 0);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(files_compare(&server, &wanted, &ours, false, &use, why, sizeof(why)),
			 -EINVAL);
	assert_int_equal(unlink(cert), 0);
	assert_int_equal(rmdir(dir), 0);
	server_finish(&server);
}

static void ports(const char *value, int port)
{
	struct server server;
	char bytes[100];

	server_init(&server);
	snprintf(bytes, sizeof(bytes), "*2\r\n+tls-port\r\n$%zu\r\n%s\r\n", strlen(value), value);
	take(&server, bytes);
	assert_int_equal(server.tls_port, port);
	server_finish(&server);
}

static void odd_ports_are_unknown(void **state)
{
	(void)state;
	ports("6379", 6379);
	ports("0", 0);
	ports("", -1);
	ports("65536", -1);
	ports("-1", -1);
	ports("12x", -1);
	ports("99999999999999999999", -1);
}

static void reads(const char *bytes, int result)
{
	struct reader reader;
	redisReply *reply = NULL;

	assert_int_equal(reader_init(&reader), 0);
	assert_int_equal(reader_feed(&reader, bytes, strlen(bytes)), 0);
	assert_int_equal(reader_next(&reader, &reply), result);
	if (reply)
		freeReplyObject(reply);
	reader_finish(&reader);
}

static void arrays_are_bounded(void **state)
{
	(void)state;
	reads("*2\r\n:1\r\n:2\r\n", 1);
	reads("*4096\r\n", 0);
	reads("*4097\r\n", -EPROTO);
	reads("*2147483647\r\n", -EPROTO);
	reads("*1\r\n*1\r\n*1\r\n*99999999\r\n", -EPROTO);
	reads("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 1);
	reads("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", -EPROTO);
	reads("$1000000000\r\nabc", 0);
	reads("%1\r\n+a\r\n+b\r\n+", -EPROTO);
	reads("HTTP/1.1 400 Bad Request\r\n", -EPROTO);
	reads("\x15\x03\x01", -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_decide_the_form),
		cmocka_unit_test(hello_is_described),
		cmocka_unit_test(bind_says_where_to_look),
		cmocka_unit_test(commands_by_version),
		cmocka_unit_test(the_passphrase_is_sent_in_each_form),
		cmocka_unit_test(a_server_is_moved_and_moved_back),
		cmocka_unit_test(the_bus_is_where_it_is),
		cmocka_unit_test(dates_are_checked_by_valkey_9_1),
		cmocka_unit_test(respelling_goes_back_and_forth),
		cmocka_unit_test(other_files_are_not_reloaded),
		cmocka_unit_test(the_same_file_is_the_same),
		cmocka_unit_test(odd_ports_are_unknown),
		cmocka_unit_test(arrays_are_bounded),
	};

	return cmocka_run_group_tests_name("redis/server", tests, NULL, NULL);
}
