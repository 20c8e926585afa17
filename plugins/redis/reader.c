#include "redis/reader.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* hiredis before 1.0 says int where later ones say size_t. */
#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

/*
 * The count of elements is the server's word, and hiredis allocates by it at once. From 1.1 on it
 * also follows arrays into any depth, and frees them by recursion.
 */
static void *(*default_array)(const redisReadTask *task, array_size elements);

static void *create_array(const redisReadTask *task, array_size elements)
{
	int depth = 0;

	for (const redisReadTask *outer = task; outer; outer = outer->parent)
		depth++;
	if (elements > READER_ARRAY_MAX || depth > READER_DEPTH_MAX)
		return NULL;
	return default_array(task, elements);
}

int reader_init(struct reader *reader)
{
	reader->hiredis = redisReaderCreate();
	if (!reader->hiredis)
		return -ENOMEM;
	reader->functions = *reader->hiredis->fn;
	default_array = reader->functions.createArray;
	reader->functions.createArray = create_array;
	reader->hiredis->fn = &reader->functions;
	return 0;
}

void reader_finish(struct reader *reader)
{
	if (reader->hiredis)
		redisReaderFree(reader->hiredis);
	reader->hiredis = NULL;
}

int reader_feed(struct reader *reader, const void *data, size_t len)
{
	return redisReaderFeed(reader->hiredis, data, len) == REDIS_OK ? 0 : -ENOMEM;
}

/* From 1.0 on hiredis understands RESP3, too. We never ask for it, so it is no reply to us. */
static bool is_resp2(const redisReply *reply)
{
	return reply->type >= REDIS_REPLY_STRING && reply->type <= REDIS_REPLY_ERROR;
}

int reader_next(struct reader *reader, redisReply **ret_reply)
{
	void *reply = NULL;

	if (redisReaderGetReply(reader->hiredis, &reply) != REDIS_OK)
		return -EPROTO;
	if (!reply)
		return 0;
	if (!is_resp2(reply)) {
		freeReplyObject(reply);
		return -EPROTO;
	}
	*ret_reply = reply;
	return 1;
}
