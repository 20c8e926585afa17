/*
 * main/client - one connection to the control socket
 *
 * Reads up to a newline, runs the command, writes the answer. A client is dropped after ten idle
 * seconds in either direction. While its command waits, it is watched for its end only.
 */
#include "main/client.h"

#include "base/log.h"
#include "base/mem.h"
#include "main/command.h"
#include "main/control.h"
#include "main/request.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define CLIENT_MAGIC 0x68636c69u /* "hcli" */

struct service *client_service(const struct client *c)
{
	return c->control->service;
}

void client_destroy(struct client *c)
{
	assert(c->magic == CLIENT_MAGIC);
	if (c->wait) {
		control_waiting(c->control, -1);
		c->wait->cancel(c->wait);
	}
	c->magic = 0;
	loop_timer_remove(c->timer);
	loop_io_remove(c->io);
	close(c->fd);
	str_finish(&c->in);
	str_finish(&c->out);
	control_forget(c->control, c);
	free(c);
}

/* ---- writing ---- */

static void client_write(struct client *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_io_set(c->io, LOOP_WRITE);
			return;
		}
		if (n < 0)
			break; /* it has gone */
		c->sent += (size_t)n;
		loop_timer_set(c->timer, CLIENT_IDLE_MS);
	}
	client_destroy(c);
}

void client_answer(struct client *c, struct answer *a)
{
	assert(c->magic == CLIENT_MAGIC && !c->out.len);
	if (c->wait)
		control_waiting(c->control, -1);
	c->wait = NULL;
	answer_end(a);
	if (a->text.failed) {
		log_error("control socket: out of memory for an answer of %zu bytes", a->text.len);
		client_destroy(c);
	} else {
		c->out = a->text;
		a->text = (struct str){0};
		client_write(c);
	}
	answer_finish(a);
}

void client_fail(struct client *c, const char *format, ...)
{
	struct answer a = {0};
	struct str text = {0};
	va_list args;

	va_start(args, format);
	str_addv(&text, format, args);
	va_end(args);
	answer_error(&a, str_get(&text));
	str_finish(&text);
	client_answer(c, &a);
}

/* ---- waiting ---- */

void client_wait(struct client *c, struct client_wait *wait, int64_t timeout_ms)
{
	assert(c->magic == CLIENT_MAGIC && !c->wait);
	c->wait = wait;
	c->timeout_ms = timeout_ms;
	control_waiting(c->control, 1);
	loop_timer_set(c->timer, timeout_ms > 0 ? timeout_ms : -1);
}

static void client_too_late(struct client *c)
{
	char why[1024];

	c->wait->late(c->wait, why, sizeof(why));
	c->wait->cancel(c->wait);
	client_fail(c, "not within %lld ms: %s", (long long)c->timeout_ms, why);
}

static void client_timer(void *data)
{
	struct client *c = data;

	assert(c->magic == CLIENT_MAGIC);
	if (c->wait)
		client_too_late(c);
	else if (c->out.len)
		client_destroy(c);
	else
		client_fail(c, "no request within %d s", CLIENT_IDLE_MS / 1000);
}

/* ---- reading ---- */

static void client_run(struct client *c, size_t line_len)
{
	struct request request;
	char why[256];

	loop_timer_set(c->timer, CLIENT_IDLE_MS);
	if (request_parse(&request, c->in.data, line_len, why, sizeof(why)) < 0) {
		client_fail(c, "%s", why);
		return;
	}
	str_finish(&c->in); /* the request has copies */
	command_run(c, &request);
	request_finish(&request);
}

/* The length of the first line, or -1. */
static ssize_t first_line(const struct str *in, size_t from)
{
	const char *end = in->len > from ? memchr(in->data + from, '\n', in->len - from) : NULL;

	return end ? end - in->data : -1;
}

static void client_take(struct client *c, const char *data, size_t n)
{
	size_t before = c->in.len;
	ssize_t line;

	if (c->wait)
		return; /* who waits has nothing more to say */
	str_add_n(&c->in, data, n);
	line = first_line(&c->in, before);
	if (line >= 0 && line < REQUEST_MAX)
		client_run(c, (size_t)line);
	else if (c->in.failed)
		client_destroy(c);
	else if (c->in.len >= REQUEST_MAX)
		client_fail(c, "the request has more than %d bytes", REQUEST_MAX);
}

/* One read a call: the loop comes back while there is more, and to the others in between. */
static void client_read(struct client *c)
{
	char data[4096];
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		client_destroy(c);
	else
		client_take(c, data, (size_t)n);
}

static void client_io(void *data, uint32_t events)
{
	struct client *c = data;

	(void)events;
	assert(c->magic == CLIENT_MAGIC);
	if (c->out.len)
		client_write(c);
	else
		client_read(c);
}

struct client *client_create(struct control *control, int fd)
{
	struct client *c = calloc(1, sizeof(*c));
	socklen_t size = sizeof(c->peer);

	if (!c) {
		close(fd);
		return NULL;
	}
	c->magic = CLIENT_MAGIC;
	c->control = control;
	c->fd = fd;
	c->io = loop_io_add(control->loop, fd, LOOP_READ, client_io, c);
	c->timer = loop_timer_add(control->loop, CLIENT_IDLE_MS, client_timer, c);
	if (!c->io || !c->timer)
		goto fail;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &size) < 0)
		c->peer = (struct ucred){.pid = -1, .uid = (uid_t)-1, .gid = (gid_t)-1};
	return c;
fail:
	loop_timer_remove(c->timer);
	loop_io_remove(c->io);
	close(fd);
	free(c);
	return NULL;
}
