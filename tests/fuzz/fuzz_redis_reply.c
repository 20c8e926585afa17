/*
 * Feeds any bytes to what reads a server's replies: the parser, the meaning of errors, HELLO,
 *CONFIG GET, and the command that follows from them. The first byte says in which portions the rest
 *comes.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Icore/include -Iplugins
 *		tests/fuzz/fuzz_redis_reply.c
 *plugins/redis/{files,path_map,reader,reply,server,view}.c -lhiredis -o fuzz_redis_reply
 *	./fuzz_redis_reply NEW-CORPUS tests/fuzz/corpus/redis_reply
 */
#include "redis/files.h"
#include "redis/reader.h"
#include "redis/reply.h"
#include "redis/server.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
static const struct view ours = {.root = -1};

static void take_error(const redisReply *reply)
{
	char text[480];

	reply_explain(reply, "default", "+config|get", text, sizeof(text));
	assert(strlen(text) < sizeof(text));
	for (const char *p = text; *p; p++)
		assert(*p >= ' ' && *p <= '~');
	(void)reply_status(reply_classify(reply));
}

static void take(struct server *server, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR)
		take_error(reply);
	server_take_hello(server, reply);
	assert(server_take_config(server, reply) == 0);
}

static void check_command(const struct files_set *set)
{
	assert(set->argc >= 4 && set->argc <= FILES_SET_WORDS && set->argc % 2 == 0);
	for (int i = 0; i < set->argc; i++)
		assert(set->argv[i] && set->argv[i][0]);
}

/* may_move and passphrase: as options would have it. */
static void judge(const struct server *server, bool may_move, const char *passphrase)
{
	struct files_use use = {.ca = false};
	struct files_order order = {"CONFIG", server, &watched, &use, passphrase};
	struct files_set set;
	char text[1400];

	server_describe(server, text, sizeof(text));
	assert(text[0]);
	(void)server_bus_port(server);
	(void)server_is_replica(server);
	if (files_compare(server, &watched, &ours, may_move, &use, text, sizeof(text)) < 0)
		return;
	if (files_set_command(&order, &set) == 0)
		check_command(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server server;
	struct reader reader;
	redisReply *reply;
	size_t portion, n;
	int r = 0;

	if (size == 0)
		return 0;
	portion = data[0] ? data[0] : size;
	server_init(&server);
	assert(reader_init(&reader) == 0);
	for (data++, size--; size > 0 && r >= 0; data += n, size -= n) {
		n = portion < size ? portion : size;
		assert(reader_feed(&reader, data, n) == 0);
		while ((r = reader_next(&reader, &reply)) == 1) {
			take(&server, reply);
			freeReplyObject(reply);
		}
	}
	judge(&server, false, NULL);
	judge(&server, true, "passphrase");
	reader_finish(&reader);
	server_finish(&server);
	return 0;
}
