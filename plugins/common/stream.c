#include "common/stream.h"

#include "common/mem.h"
#include "common/stream_dial.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define STREAM_MAGIC 0x57e4a300u
/* A TLS record at the most (RFC 8446 section 5.1), so that SSL_pending() is 0 after each read. */
#define READ_SIZE 16384
/* So many reads in one turn of the loop: an endless sender must not starve the others. */
#define READS_PER_TURN 8

enum stream_state {
	STATE_CONNECTING,
	STATE_HANDSHAKE,
	STATE_OPEN,
	STATE_ENDED,
};

struct stream {
	unsigned magic;
	const struct hc_host *host;
	hc_ctx *ctx;
	const struct stream_ops *ops;
	void *data;

	enum stream_state state;
	struct dial *dial;
	struct wire wire;
	hc_io *io;
	uint32_t events; /* that io waits for */

	int64_t deadline; /* to on_ready; milliseconds, monotonic */
	hc_timer *timer;
	const char *awaited; /* what has not come when the timer fires */

	char *out; /* bytes from out_sent to out_len are to be sent */
	size_t out_len, out_sent;
	bool wants_write; /* TLS has to write before it can read */

	unsigned depth; /* of callbacks that run */
	bool destroyed; /* inside one of them */
};

/* ---- callbacks may destroy the stream: it lives until the outermost one has returned ---- */

static void enter(struct stream *s)
{
	assert(s->magic == STREAM_MAGIC);
	s->depth++;
}

static void leave(struct stream *s)
{
	if (--s->depth > 0 || !s->destroyed)
		return;
	s->magic = 0;
	free(s);
}

/* ---- the end ---- */

static void disarm(struct stream *s)
{
	s->host->io_remove(steal(&s->io));
	s->host->timer_remove(steal(&s->timer));
	dial_destroy(steal(&s->dial));
}

static void tell_end(struct stream *s)
{
	disarm(s);
	s->state = STATE_ENDED;
	if (!s->destroyed)
		s->ops->on_end(s->data, s->wire.end, s->wire.error);
}

/* ---- bytes ---- */

static void wait_for(struct stream *s, uint32_t events)
{
	if (s->io && s->events != events)
		s->host->io_set(s->io, events);
	s->events = events;
}

static void update_events(struct stream *s)
{
	bool pending = s->out_sent < s->out_len || s->wants_write;

	wait_for(s, HC_IO_READ | (pending ? (uint32_t)HC_IO_WRITE : 0));
}

static void drop_output(struct stream *s)
{
	if (s->out)
		OPENSSL_cleanse(s->out, s->out_len);
	free(steal(&s->out));
	s->out_len = s->out_sent = 0;
}

/* Sends what is queued, as far as it goes. False: the wire has ended. */
static bool flush(struct stream *s)
{
	while (s->out_sent < s->out_len) {
		size_t n;
		int r = wire_write(&s->wire, s->out + s->out_sent, s->out_len - s->out_sent, &n);

		if (r != WIRE_DONE)
			return r != WIRE_ENDED;
		s->out_sent += n;
	}
	drop_output(s);
	return true;
}

/* Hands on what has arrived. False: the wire has ended. */
static bool fill(struct stream *s)
{
	char buf[READ_SIZE];

	s->wants_write = false;
	for (int i = 0; i < READS_PER_TURN && !s->destroyed; i++) {
		size_t n;
		int r = wire_read(&s->wire, buf, sizeof(buf), &n);

		s->wants_write = r == WIRE_WANT_WRITE;
		if (r != WIRE_DONE)
			return r != WIRE_ENDED;
		s->ops->on_data(s->data, buf, n);
	}
	return true;
}

/* ---- time ---- */

/* The deadline has passed, or stream_write() found the end and must not tell it. */
static void on_timer(void *data)
{
	struct stream *s = data;

	enter(s);
	if (s->wire.ended && s->state == STATE_OPEN)
		fill(s); /* what the peer said before it closed */
	wire_end_timeout(&s->wire, s->awaited);
	tell_end(s);
	leave(s);
}

static void set_timer(struct stream *s, int64_t after_ms)
{
	if (s->timer)
		s->host->timer_set(s->timer, after_ms);
	else
		s->timer = s->host->timer_add(s->ctx, after_ms, on_timer, s);
}

/* ---- from connected to ready ---- */

static void become_ready(struct stream *s)
{
	s->host->timer_remove(steal(&s->timer));
	s->state = STATE_OPEN;
	s->ops->on_ready(s->data);
}

/* One step of the handshake. False: the wire has ended. */
static bool shake(struct stream *s)
{
	int r = wire_handshake(&s->wire);

	if (r == WIRE_ENDED)
		return false;
	wait_for(s, r == WIRE_WANT_WRITE ? HC_IO_WRITE : HC_IO_READ);
	if (r == WIRE_DONE)
		become_ready(s);
	return true;
}

static void on_io(void *data, uint32_t events)
{
	struct stream *s = data;
	bool alive = true;

	(void)events;
	enter(s);
	if (s->state == STATE_HANDSHAKE)
		alive = shake(s);
	if (alive && !s->destroyed && s->state == STATE_OPEN)
		alive = flush(s) && fill(s);
	if (!alive)
		tell_end(s);
	else if (!s->destroyed && s->state == STATE_OPEN)
		update_events(s);
	leave(s);
}

static bool watch_socket(struct stream *s)
{
	s->events = HC_IO_READ;
	s->io = s->host->io_add(s->ctx, s->wire.fd, s->events, on_io, s);
	if (!s->io)
		wire_end(&s->wire, STREAM_LOCAL, "out of memory");
	return s->io != NULL;
}

/* False: the wire has ended. */
static bool begin_handshake(struct stream *s)
{
	s->state = STATE_HANDSHAKE;
	return watch_socket(s) && shake(s);
}

static bool begin_session(struct stream *s, int fd)
{
	int64_t left = s->deadline - s->host->now_mono();

	if (wire_begin(&s->wire, fd) == WIRE_ENDED)
		return false;
	s->awaited = "not ready in time";
	set_timer(s, left > 0 ? left : 0);
	if (s->wire.tls_options)
		return begin_handshake(s);
	if (!watch_socket(s))
		return false;
	become_ready(s);
	return true;
}

static void on_dialed(void *data, int fd, const char *error)
{
	struct stream *s = data;
	bool alive;

	enter(s);
	if (fd < 0)
		wire_end(&s->wire, fd == -ETIMEDOUT ? STREAM_TIMEOUT : STREAM_UNREACHABLE, "%s",
			 error);
	dial_destroy(steal(&s->dial));
	alive = fd >= 0 && begin_session(s, fd);
	if (!alive)
		tell_end(s);
	else if (!s->destroyed && s->state == STATE_OPEN)
		update_events(s);
	leave(s);
}

/* ---- what the owner calls ---- */

int stream_create(const struct hc_host *host, hc_ctx *ctx, const struct stream_options *options,
		  const struct stream_ops *ops, void *data, struct stream **ret_stream)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->magic = STREAM_MAGIC;
	s->host = host;
	s->ctx = ctx;
	s->ops = ops;
	s->data = data;
	s->deadline = host->now_mono() + options->timeout_ms;
	wire_init(&s->wire, options->addr.kind, options->tls);
	r = dial_create(host, ctx, &options->addr, options->sockaddr, options->timeout_ms,
			on_dialed, s, &s->dial);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret_stream = s;
	return 0;
}

void stream_destroy(struct stream *s)
{
	if (!s)
		return;
	enter(s);
	disarm(s);
	wire_finish(&s->wire);
	drop_output(s);
	s->destroyed = true;
	leave(s);
}

int stream_write(struct stream *s, const void *data, size_t len)
{
	size_t pending = s->out_len - s->out_sent;
	char *out;

	assert(s->magic == STREAM_MAGIC);
	out = malloc(pending + len);
	if (!out)
		return -ENOMEM;
	if (pending)
		memcpy(out, s->out + s->out_sent, pending);
	memcpy(out + pending, data, len);
	drop_output(s);
	s->out = out;
	s->out_len = pending + len;
	if (s->state != STATE_OPEN || s->wire.ended)
		return 0;
	if (!flush(s))
		set_timer(s, 0);
	update_events(s);
	return 0;
}

void stream_set_timeout(struct stream *s, int64_t timeout_ms, const char *awaited)
{
	assert(s->magic == STREAM_MAGIC);
	if (s->state != STATE_OPEN || s->wire.ended)
		return;
	s->awaited = awaited;
	if (timeout_ms > 0)
		set_timer(s, timeout_ms);
	else
		s->host->timer_remove(steal(&s->timer));
}

int stream_peer(const struct stream *s, struct sockaddr_storage *ret)
{
	socklen_t len = sizeof(*ret);

	if (s->wire.fd < 0)
		return -ENOTCONN;
	return getpeername(s->wire.fd, (struct sockaddr *)ret, &len) == 0 ? 0 : -ENOTCONN;
}

int stream_peer_cred(const struct stream *s, struct ucred *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(s->wire.fd, SOL_SOCKET, SO_PEERCRED, ret, &len) == 0 ? 0 : -errno;
}

const struct tls_session *stream_tls(const struct stream *s)
{
	return s->wire.tls_options ? &s->wire.tls : NULL;
}
