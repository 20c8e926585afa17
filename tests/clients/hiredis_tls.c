/*
 * hiredis_tls PORT CA - a client as people write them with hiredis and its TLS part
 *
 * A line of standard input is a command on the one connection that it holds; "CONNECT" stands for
 * PING on a new one. The reply is a line. It never connects again by itself: a connection that is
 * lost ends it.
 */
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static redisContext *dial(int port, redisSSLContext *tls)
{
	redisContext *c = redisConnect("127.0.0.1", port);

	if (c && !c->err && redisInitiateSSLWithContext(c, tls) == REDIS_OK)
		return c;
	printf("cannot connect: %s\n", c ? c->errstr : "out of memory");
	redisFree(c);
	return NULL;
}

static bool ask(redisContext *c, const char *command)
{
	redisReply *reply = redisCommand(c, command);

	if (!reply)
		printf("no reply: %s\n", c->errstr);
	else if (reply->type == REDIS_REPLY_INTEGER)
		printf("%lld\n", reply->integer);
	else
		printf("%s\n", reply->str ? reply->str : "nil");
	freeReplyObject(reply);
	return reply;
}

static void ask_on_a_new_one(int port, redisSSLContext *tls)
{
	redisContext *c = dial(port, tls);

	if (c)
		ask(c, "PING");
	redisFree(c);
}

int main(int argc, char **argv)
{
	int port = argc == 3 ? atoi(argv[1]) : 0;
	redisSSLContext *tls;
	redisContext *held;
	char line[256];

	if (argc != 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	redisInitOpenSSL();
	tls = redisCreateSSLContext(argv[2], NULL, NULL, NULL, "redis.internal", NULL);
	held = tls ? dial(port, tls) : NULL;
	while (held && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "CONNECT") == 0)
			ask_on_a_new_one(port, tls);
		else if (!ask(held, line))
			break;
	}
	redisFree(held);
	redisFreeSSLContext(tls);
	return 0;
}
