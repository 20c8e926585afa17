#include "redis/control.h"

#include "common/mem.h"
#include "redis/reader.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define CONTROL_MAGIC 0xc0a7401eu

struct control {
	unsigned magic;
	const struct control_ops *ops;
	void *data;
	struct stream *stream;
	struct reader reader;
	redisReply *replies[CONTROL_BATCH_MAX];
	size_t asked, got; /* of the batch under way */
	size_t fed;	   /* bytes of the batch */
	unsigned depth;	   /* of callbacks that run */
	bool destroyed;	   /* inside one of them */
};

static void drop_replies(struct control *c)
{
	for (size_t i = 0; i < c->got; i++)
		freeReplyObject(c->replies[i]);
	c->asked = c->got = c->fed = 0;
}

static void enter(struct control *c)
{
	assert(c->magic == CONTROL_MAGIC);
	c->depth++;
}

static void leave(struct control *c)
{
	if (--c->depth > 0 || !c->destroyed)
		return;
	c->magic = 0;
	free(c);
}

/* The batch is over before its replies are looked at: the owner may send the next one from there.
 */
static void tell_replies(struct control *c)
{
	redisReply *replies[CONTROL_BATCH_MAX];
	size_t n = c->got;

	memcpy(replies, c->replies, sizeof(replies));
	c->asked = c->got = c->fed = 0;
	stream_set_timeout(c->stream, 0, NULL);
	c->ops->on_replies(c->data, replies, n);
	for (size_t i = 0; i < n; i++)
		freeReplyObject(replies[i]);
}

static void tell_end(struct control *c, enum stream_end end, const char *error)
{
	bool told = c->got > 0 && c->replies[c->got - 1]->type == REDIS_REPLY_ERROR;

	if (told)
		tell_replies(c);
	if (!c->destroyed)
		c->ops->on_end(c->data, end, error);
}

static void on_ready(void *data)
{
	struct control *c = data;

	enter(c);
	c->ops->on_ready(c->data);
	leave(c);
}

/* Takes bytes in; NULL, or what is wrong with them. */
static const char *take(struct control *c, const void *buf, size_t len)
{
	redisReply *reply;
	int r;

	c->fed += len;
	if (c->fed > CONTROL_REPLY_MAX)
		return "the reply is larger than 1 MiB";
	if (reader_feed(&c->reader, buf, len) < 0)
		return "out of memory";
	while ((r = reader_next(&c->reader, &reply)) == 1) {
		if (c->got == c->asked) {
			freeReplyObject(reply);
			return "the server says something that nobody asked for";
		}
		c->replies[c->got++] = reply;
	}
	return r < 0 ? "the peer does not speak the Redis protocol (RESP2)" : NULL;
}

static void on_data(void *data, const void *buf, size_t len)
{
	struct control *c = data;
	const char *why;

	enter(c);
	why = take(c, buf, len);
	if (why)
		tell_end(c, STREAM_CLOSED, why);
	else if (c->asked > 0 && c->got == c->asked)
		tell_replies(c);
	leave(c);
}

static void on_end(void *data, enum stream_end end, const char *error)
{
	struct control *c = data;

	enter(c);
	tell_end(c, end, error);
	leave(c);
}

static const struct stream_ops stream_ops = {on_ready, on_data, on_end};

int control_create(const struct hc_host *host, hc_ctx *ctx, const struct stream_options *options,
		   const struct control_ops *ops, void *data, struct control **ret_control)
{
	struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->magic = CONTROL_MAGIC;
	c->ops = ops;
	c->data = data;
	r = reader_init(&c->reader);
	if (r == 0)
		r = stream_create(host, ctx, options, &stream_ops, c, &c->stream);
	if (r < 0) {
		control_destroy(c);
		return r;
	}
	*ret_control = c;
	return 0;
}

void control_destroy(struct control *c)
{
	if (!c)
		return;
	enter(c);
	stream_destroy(steal(&c->stream));
	reader_finish(&c->reader);
	drop_replies(c);
	c->destroyed = true;
	leave(c);
}

/* ---- sending ---- */

struct formatted {
	char *text[CONTROL_BATCH_MAX];
	size_t len[CONTROL_BATCH_MAX];
	size_t n, total;
};

static void formatted_finish(struct formatted *f)
{
	for (size_t i = 0; i < f->n; i++) {
		OPENSSL_cleanse(f->text[i], f->len[i]);
		redisFreeCommand(f->text[i]);
	}
}

static int format_commands(const struct control_command *commands, size_t n, struct formatted *f)
{
	for (size_t i = 0; i < n; i++) {
		long long len = redisFormatCommandArgv(&f->text[i], commands[i].argc,
						       (const char **)commands[i].argv, NULL);

		if (len < 0)
			return -ENOMEM;
		f->len[i] = (size_t)len;
		f->total += f->len[i];
		f->n++;
	}
	return 0;
}

/* In one write: a batch costs one round trip. */
static int write_commands(struct control *c, const struct formatted *f)
{
	char *buf = malloc(f->total), *p = buf;
	int r;

	if (!buf)
		return -ENOMEM;
	for (size_t i = 0; i < f->n; p += f->len[i++])
		memcpy(p, f->text[i], f->len[i]);
	r = stream_write(c->stream, buf, f->total);
	OPENSSL_cleanse(buf, f->total);
	free(buf);
	return r;
}

int control_send(struct control *c, const struct control_command *commands, size_t n,
		 int64_t timeout_ms)
{
	struct formatted f = {.n = 0};
	int r;

	assert(c->magic == CONTROL_MAGIC && c->asked == 0 && n > 0 && n <= CONTROL_BATCH_MAX);
	r = format_commands(commands, n, &f);
	if (r == 0)
		r = write_commands(c, &f);
	formatted_finish(&f);
	if (r < 0)
		return r;
	c->asked = n;
	stream_set_timeout(c->stream, timeout_ms, "no reply in time");
	return 0;
}

bool control_busy(const struct control *c)
{
	return c->asked > 0;
}

const struct stream *control_stream(const struct control *c)
{
	return c->stream;
}
