#include "common/stream_dial.h"

#include "common/mem.h"
#include "common/resolve.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#define DIAL_MAGIC 0xd1a1d1a1u

struct dial {
	unsigned magic;
	const struct hc_host *host;
	hc_ctx *ctx;
	dial_fn fn;
	void *data;
	struct stream_addr addr;
	int64_t deadline; /* milliseconds, monotonic */
	hc_timer *timer;
	struct resolve *resolve;
	struct addrinfo *list; /* of the name */
	struct addrinfo *next; /* in list, or fixed: to be tried next */
	struct addrinfo fixed; /* the one address of a unix socket or a given sockaddr */
	struct sockaddr_storage storage;
	int fd;
	hc_io *io;
	bool over; /* no address is left; the timer tells */
	int error;
	char text[256];
};

static void close_attempt(struct dial *d)
{
	d->host->io_remove(steal(&d->io));
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

/* Remembers why an address did not work, with the literal where addr has a name. */
static void set_error(struct dial *d, int error, const struct addrinfo *ai)
{
	char literal[INET6_ADDRSTRLEN + 32] = "";

	if (ai && ai->ai_family != AF_UNIX)
		getnameinfo(ai->ai_addr, ai->ai_addrlen, literal, sizeof(literal), NULL, 0,
			    NI_NUMERICHOST);
	d->error = -error;
	if (literal[0] && strcmp(literal, d->addr.host) != 0)
		snprintf(d->text, sizeof(d->text), "%s (%s)", strerror(error), literal);
	else
		snprintf(d->text, sizeof(d->text), "%s", strerror(error));
}

static void finish(struct dial *d, int fd)
{
	d->host->timer_remove(steal(&d->timer));
	d->fn(d->data, fd, d->text);
}

/* From the loop, never from inside dial_create(). */
static void give_up(struct dial *d)
{
	d->over = true;
	d->host->timer_set(d->timer, 0);
}

/* ---- one address ---- */

static void try_next(struct dial *d);

static void on_io(void *data, uint32_t events)
{
	struct dial *d = data;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	assert(d->magic == DIAL_MAGIC);
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	d->host->io_remove(steal(&d->io));
	if (error == 0) {
		int fd = d->fd;

		d->fd = -1;
		finish(d, fd);
		return;
	}
	set_error(d, error, d->next);
	d->next = d->next->ai_next;
	try_next(d);
}

/* Requests and replies are small and follow each other; a dead peer is found out by the kernel. */
static void tune(int fd, int family)
{
	int on = 1;

	if (family == AF_UNIX)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* Begins to connect to d->next; 0 or the errno. */
static int attempt(struct dial *d)
{
	const struct addrinfo *ai = d->next;

	close_attempt(d);
	d->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0)
		return errno;
	tune(d->fd, ai->ai_family);
	if (connect(d->fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS)
		return errno;
	d->io = d->host->io_add(d->ctx, d->fd, HC_IO_WRITE, on_io, d);
	return d->io ? 0 : ENOMEM;
}

static int64_t share_of_time(const struct dial *d)
{
	int64_t left = d->deadline - d->host->now_mono(), n = 0;

	for (const struct addrinfo *ai = d->next; ai; ai = ai->ai_next)
		n++;
	return left > 0 && n > 0 ? left / n : 0;
}

static void try_next(struct dial *d)
{
	for (; d->next; d->next = d->next->ai_next) {
		int error = attempt(d);

		if (error == 0) {
			d->host->timer_set(d->timer, share_of_time(d));
			return;
		}
		set_error(d, error, d->next);
	}
	close_attempt(d);
	give_up(d);
}

/* ---- the name ---- */

static void on_resolved(void *data, int error, struct addrinfo *list)
{
	struct dial *d = data;

	assert(d->magic == DIAL_MAGIC);
	d->resolve = NULL;
	if (error) {
		d->error = -EHOSTUNREACH;
		snprintf(d->text, sizeof(d->text), "the name cannot be resolved: %s",
			 gai_strerror(error));
		give_up(d);
		return;
	}
	d->list = d->next = list;
	try_next(d);
}

static void on_timer(void *data)
{
	struct dial *d = data;

	assert(d->magic == DIAL_MAGIC);
	if (d->over) {
		finish(d, d->error);
		return;
	}
	if (d->resolve) {
		resolve_cancel(steal(&d->resolve));
		d->error = -ETIMEDOUT;
		snprintf(d->text, sizeof(d->text), "the name server does not answer");
		finish(d, d->error);
		return;
	}
	set_error(d, ETIMEDOUT, d->next);
	d->next = d->next->ai_next;
	try_next(d);
}

/* ---- the beginning ---- */

static void set_unix(struct dial *d)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&d->storage;

	un->sun_family = AF_UNIX;
	/* stream_addr_parse() has seen that it fits. */
	memcpy(un->sun_path, d->addr.host, sizeof(un->sun_path) - 1);
	d->fixed.ai_family = AF_UNIX;
	d->fixed.ai_addrlen = sizeof(*un);
}

static void set_inet(struct dial *d, const struct sockaddr *sa)
{
	bool v6 = sa->sa_family == AF_INET6;

	d->fixed.ai_family = sa->sa_family;
	d->fixed.ai_addrlen = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	memcpy(&d->storage, sa, d->fixed.ai_addrlen);
	if (v6)
		((struct sockaddr_in6 *)&d->storage)->sin6_port = htons(d->addr.port);
	else
		((struct sockaddr_in *)&d->storage)->sin_port = htons(d->addr.port);
}

/* Finds the addresses, at once or through a look-up. */
static int start(struct dial *d, const struct sockaddr *sa)
{
	int r;

	if (d->addr.kind == STREAM_UNIX || sa) {
		d->fixed.ai_addr = (struct sockaddr *)&d->storage;
		if (sa)
			set_inet(d, sa);
		else
			set_unix(d);
		d->next = &d->fixed;
		try_next(d);
		return 0;
	}
	if (resolve_literal(d->addr.host, d->addr.port, &d->list) == 0) {
		d->next = d->list;
		try_next(d);
		return 0;
	}
	r = resolve_start(d->host, d->ctx, d->addr.host, d->addr.port, on_resolved, d, &d->resolve);
	if (r == -EAGAIN) {
		d->error = r;
		snprintf(d->text, sizeof(d->text), "too many name look-ups hang already");
		give_up(d);
		return 0;
	}
	return r;
}

int dial_create(const struct hc_host *host, hc_ctx *ctx, const struct stream_addr *addr,
		const struct sockaddr *sockaddr, int64_t timeout_ms, dial_fn fn, void *data,
		struct dial **ret_dial)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	*d = (struct dial){
		.magic = DIAL_MAGIC,
		.host = host,
		.ctx = ctx,
		.fn = fn,
		.data = data,
		.addr = *addr,
		.deadline = host->now_mono() + timeout_ms,
		.fd = -1,
	};
	d->timer = host->timer_add(ctx, timeout_ms, on_timer, d);
	if (!d->timer || start(d, sockaddr) < 0) {
		dial_destroy(d);
		return -ENOMEM;
	}
	*ret_dial = d;
	return 0;
}

void dial_destroy(struct dial *d)
{
	if (!d)
		return;
	assert(d->magic == DIAL_MAGIC);
	resolve_cancel(d->resolve);
	close_attempt(d);
	d->host->timer_remove(d->timer);
	if (d->list)
		freeaddrinfo(d->list);
	d->magic = 0;
	free(d);
}
