#include "stepca/acme_listen.h"

#include "stepca/acme_conn.h"

#include <assert.h>
#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTENER_MAGIC 0x61636c69U

enum {
	CONNECTIONS_MAX = 64,
	CONNECTION_MS = 10000,
	PAUSE_MS = 500,
};

struct answer {
	struct acme_answer answer; /* owned */
	struct answer *next;
};

struct acme_guest {
	struct acme_listener *listener;
	const struct hc_host *host;
	hc_ctx *ctx;
	struct answer *answers;
	struct acme_guest *next;
};

struct acme_listener {
	uint32_t magic;
	struct acme_listener *next;
	struct sockaddr_storage address;
	const struct acme_protocol *protocol;
	struct acme_guest *guests; /* the first lends its host and ctx to all watchers */
	int fd;
	hc_io *io;
	hc_timer *pause; /* set while no connection can be taken */
	struct acme_conn *connections;
	size_t n_connections;
};

/* All that are open; on the loop's thread only. */
static struct acme_listener *listeners;

/* -- connections ----------------------------------------------------------------------------- */

static void conn_close(struct acme_conn *conn)
{
	struct acme_listener *l = conn->listener;
	const struct hc_host *host = l->guests->host;
	struct acme_conn **at = &l->connections;

	while (*at != conn)
		at = &(*at)->next;
	*at = conn->next;
	l->n_connections--;
	host->io_remove(conn->io);
	host->timer_remove(conn->timer);
	SSL_free(conn->ssl);
	close(conn->fd);
	free(conn->reply);
	conn->magic = 0;
	free(conn);
}

static void conn_advance(struct acme_conn *conn)
{
	uint32_t events = conn->listener->protocol->advance(conn);

	if (events == 0)
		conn_close(conn);
	else
		conn->listener->guests->host->io_set(conn->io, events);
}

static void on_conn(void *data, uint32_t events)
{
	struct acme_conn *conn = data;

	(void)events;
	assert(conn->magic == ACME_CONN_MAGIC);
	conn_advance(conn);
}

static void on_conn_timeout(void *data)
{
	struct acme_conn *conn = data;

	assert(conn->magic == ACME_CONN_MAGIC);
	conn_close(conn);
}

/* Watches it on behalf of the first guest. */
static int conn_watch(struct acme_conn *conn)
{
	const struct acme_guest *guest = conn->listener->guests;

	conn->io = guest->host->io_add(guest->ctx, conn->fd, HC_IO_READ, on_conn, conn);
	conn->timer = guest->host->timer_add(guest->ctx, CONNECTION_MS, on_conn_timeout, conn);
	return conn->io && conn->timer ? 0 : -ENOMEM;
}

static void conn_open(struct acme_listener *l, int fd)
{
	struct acme_conn *conn =
		l->n_connections < CONNECTIONS_MAX ? calloc(1, sizeof(*conn)) : NULL;

	if (!conn) {
		close(fd);
		return;
	}
	conn->magic = ACME_CONN_MAGIC;
	conn->listener = l;
	conn->fd = fd;
	conn->next = l->connections;
	l->connections = conn;
	l->n_connections++;
	if (conn_watch(conn) < 0 || (l->protocol->begin && l->protocol->begin(conn) < 0))
		conn_close(conn);
}

/* -- listeners ------------------------------------------------------------------------------- */

static void on_pause_end(void *data)
{
	struct acme_listener *l = data;

	l->guests->host->timer_remove(l->pause);
	l->pause = NULL;
	l->guests->host->io_set(l->io, HC_IO_READ);
}

/* Out of descriptors or memory: the socket stays ready, so look away for a while. */
static void pause_accepting(struct acme_listener *l)
{
	const struct acme_guest *guest = l->guests;

	l->pause = guest->host->timer_add(guest->ctx, PAUSE_MS, on_pause_end, l);
	if (l->pause)
		guest->host->io_set(l->io, 0);
}

static void on_listener(void *data, uint32_t events)
{
	struct acme_listener *l = data;
	int fd;

	(void)events;
	assert(l->magic == LISTENER_MAGIC);
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		conn_open(l, fd);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		pause_accepting(l);
}

static int listener_watch(struct acme_listener *l)
{
	const struct acme_guest *guest = l->guests;

	l->io = guest->host->io_add(guest->ctx, l->fd, HC_IO_READ, on_listener, l);
	return l->io ? 0 : -ENOMEM;
}

static void listener_unwatch(struct acme_listener *l, const struct hc_host *host)
{
	host->io_remove(l->io);
	host->timer_remove(l->pause);
	l->io = NULL;
	l->pause = NULL;
	for (struct acme_conn *conn = l->connections; conn; conn = conn->next) {
		host->io_remove(conn->io);
		host->timer_remove(conn->timer);
		conn->io = NULL;
		conn->timer = NULL;
	}
}

static void listener_close(struct acme_listener *l)
{
	struct acme_listener **at = &listeners;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	close(l->fd);
	l->magic = 0;
	free(l);
}

/* The guest that lent its watchers goes: the next one lends its own. */
static void listener_rehome(struct acme_listener *l)
{
	struct acme_conn *next;

	if (listener_watch(l) < 0)
		l->guests->host->log(l->guests->ctx, HC_LOG_WARNING,
				     "out of memory: a CA's checks cannot be answered");
	for (struct acme_conn *conn = l->connections; conn; conn = next) {
		next = conn->next;
		if (conn_watch(conn) < 0)
			conn_close(conn);
		else
			conn_advance(conn);
	}
}

static struct acme_listener *listener_open(const struct sockaddr_storage *address,
					   const struct acme_protocol *protocol, int *ret_error)
{
	struct acme_listener *l = calloc(1, sizeof(*l));
	int fd = l ? acme_listen_at(address) : -ENOMEM;

	if (fd < 0) {
		*ret_error = fd;
		free(l);
		return NULL;
	}
	l->magic = LISTENER_MAGIC;
	l->address = *address;
	l->protocol = protocol;
	l->fd = fd;
	l->next = listeners;
	listeners = l;
	return l;
}

static struct acme_listener *listener_at(const struct sockaddr_storage *address)
{
	struct acme_listener *l = listeners;

	while (l && memcmp(&l->address, address, sizeof(*address)) != 0)
		l = l->next;
	return l;
}

const struct acme_answer *acme_listener_find(const struct acme_listener *listener, const char *key)
{
	for (const struct acme_guest *guest = listener->guests; guest; guest = guest->next)
		for (const struct answer *a = guest->answers; a; a = a->next)
			if (strcmp(a->answer.key, key) == 0)
				return &a->answer;
	return NULL;
}

/* -- guests ---------------------------------------------------------------------------------- */

int acme_guest_join(const struct hc_host *host, hc_ctx *ctx, const char *address,
		    const struct acme_protocol *protocol, struct acme_guest **ret)
{
	struct sockaddr_storage at;
	struct acme_guest *guest, **end;
	int r = acme_listen_parse(address, &at);

	if (r < 0)
		return r;
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return -ENOMEM;
	guest->host = host;
	guest->ctx = ctx;
	guest->listener = listener_at(&at);
	if (!guest->listener)
		guest->listener = listener_open(&at, protocol, &r);
	if (!guest->listener || guest->listener->protocol != protocol) {
		free(guest);
		return r < 0 ? r : -EINVAL;
	}
	for (end = &guest->listener->guests; *end; end = &(*end)->next)
		;
	*end = guest;
	if (!guest->listener->io && listener_watch(guest->listener) < 0) {
		acme_guest_leave(guest);
		return -ENOMEM;
	}
	*ret = guest;
	return 0;
}

static void answer_free(struct answer *a)
{
	free((char *)a->answer.key);
	free((char *)a->answer.content);
	X509_free(a->answer.cert);
	EVP_PKEY_free(a->answer.private_key);
	free(a);
}

int acme_guest_add(struct acme_guest *guest, const struct acme_answer *answer)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->answer.key = strdup(answer->key);
	a->answer.content = answer->content ? strdup(answer->content) : NULL;
	if (answer->cert && X509_up_ref(answer->cert) == 1)
		a->answer.cert = answer->cert;
	if (answer->private_key && EVP_PKEY_up_ref(answer->private_key) == 1)
		a->answer.private_key = answer->private_key;
	if (!a->answer.key || (answer->content && !a->answer.content)) {
		answer_free(a);
		return -ENOMEM;
	}
	a->next = guest->answers;
	guest->answers = a;
	return 0;
}

void acme_guest_leave(struct acme_guest *guest)
{
	struct acme_listener *l = guest ? guest->listener : NULL;
	struct acme_guest **at;
	bool lent;

	if (!guest)
		return;
	lent = l->guests == guest;
	if (lent && !guest->next)
		while (l->connections)
			conn_close(l->connections);
	if (lent)
		listener_unwatch(l, guest->host);
	for (at = &l->guests; *at != guest; at = &(*at)->next)
		;
	*at = guest->next;
	while (guest->answers) {
		struct answer *a = guest->answers;

		guest->answers = a->next;
		answer_free(a);
	}
	free(guest);
	if (!l->guests)
		listener_close(l);
	else if (lent)
		listener_rehome(l);
}
