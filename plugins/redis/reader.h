/*
 * redis/reader - hiredis' reply parser with a bound on what a server can make it allocate
 */
#ifndef HC_REDIS_READER_H
#define HC_REDIS_READER_H

#include <hiredis/hiredis.h>

#define READER_ARRAY_MAX 4096 /* elements of one array */
#define READER_DEPTH_MAX 7    /* arrays in arrays, as hiredis before 1.1 has it */

struct reader {
	redisReader *hiredis;
	redisReplyObjectFunctions functions; /* hiredis' own, but for arrays */
};

/* Returns 0 or -ENOMEM. The reader must not move in memory. */
int reader_init(struct reader *reader);
void reader_finish(struct reader *reader); /* takes a zeroed one */

/* Takes bytes: 0, or -ENOMEM. */
int reader_feed(struct reader *reader, const void *data, size_t len);

/*
 * The next whole reply, to be freed with freeReplyObject(): 1; 0: more bytes are needed; -EPROTO:
 * these are no replies.
 */
int reader_next(struct reader *reader, redisReply **ret_reply);

#endif
