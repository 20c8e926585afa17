/*
 * redis/control - the connection that commands a server: batches of commands out, their replies in
 *
 * Between batches it idles without a timer. What it is fed per batch is bounded, so that no server
 * can fill the daemon's memory.
 */
#ifndef HC_REDIS_CONTROL_H
#define HC_REDIS_CONTROL_H

#include "common/stream.h"

#include <hiredis/hiredis.h>
#include <hotcert/plugin.h>
#include <stdbool.h>

#define CONTROL_BATCH_MAX 8
#define CONTROL_REPLY_MAX (1024 * 1024) /* bytes per batch */

struct control;

struct control_ops {
	void (*on_ready)(void *data); /* connected, the peer accepted */
	/*
	 * All replies of a batch in order; they die when the call returns. Fewer than asked for
	 * only where the last is an error after which the server closed.
	 */
	void (*on_replies)(void *data, redisReply *const *replies, size_t n);
	void (*on_end)(void *data, enum stream_end end, const char *error);
};

/* Begins to connect: 0 or -ENOMEM. */
int control_create(const struct hc_host *host, hc_ctx *ctx, const struct stream_options *options,
		   const struct control_ops *ops, void *data, struct control **ret_control);
void control_destroy(struct control *control); /* takes NULL; inside callbacks too */

/* The words of one command of a batch. */
struct control_command {
	int argc;
	const char *const *argv;
};

/*
 * Sends n commands at once; no batch may be under way. Replies have to be complete within
 * timeout_ms. Returns 0 or -ENOMEM. The words are copied, and wiped once they are sent.
 */
int control_send(struct control *control, const struct control_command *commands, size_t n,
		 int64_t timeout_ms);

/* Whether replies are outstanding. */
bool control_busy(const struct control *control);

const struct stream *control_stream(const struct control *control);

#endif
