#include "common/http.h"

#include "common/http_client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A socket of libcurl's, resolver pipes included. */
struct http_socket {
	struct http *http;
	struct http_socket *next;
	curl_socket_t fd;
	hc_io *io;
};

/* -- libcurl asks for sockets and time ------------------------------------------------------ */

static void http_advance(struct http *http, curl_socket_t fd, int events);

static void on_io(void *data, uint32_t events)
{
	struct http_socket *socket = data;

	http_advance(socket->http, socket->fd,
		     (events & HC_IO_READ ? CURL_CSELECT_IN : 0) |
			     (events & HC_IO_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *data)
{
	http_advance(data, CURL_SOCKET_TIMEOUT, 0);
}

static void socket_remove(struct http *http, struct http_socket *socket)
{
	struct http_socket **at = &http->sockets;

	if (!socket)
		return;
	while (*at != socket)
		at = &(*at)->next;
	*at = socket->next;
	http->host->io_remove(socket->io);
	free(socket);
}

static struct http_socket *socket_add(struct http *http, curl_socket_t fd, uint32_t events)
{
	struct http_socket *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return NULL;
	socket->http = http;
	socket->fd = fd;
	socket->io = http->host->io_add(http->ctx, fd, events, on_io, socket);
	if (!socket->io) {
		free(socket);
		return NULL;
	}
	socket->next = http->sockets;
	http->sockets = socket;
	return socket;
}

/* CURLMOPT_SOCKETFUNCTION; known is what curl_multi_assign() keeps for this socket. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
	struct http *http = data;
	struct http_socket *socket = known;
	uint32_t events =
		(what & CURL_POLL_IN ? HC_IO_READ : 0U) | (what & CURL_POLL_OUT ? HC_IO_WRITE : 0U);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		socket_remove(http, socket);
		return 0;
	}
	if (socket) {
		http->host->io_set(socket->io, events);
		return 0;
	}
	socket = socket_add(http, fd, events);
	curl_multi_assign(http->multi, fd, socket);
	return socket ? 0 : -1;
}

/* CURLMOPT_TIMERFUNCTION: -1 takes the timer away. Never calls back into libcurl by itself. */
static int on_timeout(CURLM *multi, long timeout_ms, void *data)
{
	struct http *http = data;

	(void)multi;
	if (timeout_ms < 0) {
		http->host->timer_remove(http->timer);
		http->timer = NULL;
	} else if (http->timer) {
		http->host->timer_set(http->timer, timeout_ms);
	} else {
		http->timer = http->host->timer_add(http->ctx, timeout_ms, on_timer, http);
		if (!http->timer)
			return -1;
	}
	return 0;
}

/* Takes what has ended. */
static void http_collect(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct http_request *request = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
		http_request_end(request, message->data.result);
	}
}

static void http_advance(struct http *http, curl_socket_t fd, int events)
{
	int running;

	assert(http->magic == HTTP_MAGIC);
	curl_multi_socket_action(http->multi, fd, events, &running);
	http_collect(http);
}

/* -- a pool --------------------------------------------------------------------------------- */

struct http_pool *http_pool_create(void)
{
	struct http_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->users = 1;
	pool->share = curl_share_init();
	if (pool->share &&
	    curl_share_setopt(pool->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) == CURLSHE_OK)
		return pool;
	http_pool_release(pool);
	return NULL;
}

void http_pool_release(struct http_pool *pool)
{
	if (!pool || --pool->users > 0)
		return;
	curl_share_cleanup(pool->share);
	free(pool);
}

/* -- a client ------------------------------------------------------------------------------- */

static int http_take_tls(struct http *http, const struct http_tls *tls)
{
	assert(!tls->pool || !tls->cert);
	http->pool = tls->pool;
	if (http->pool)
		http->pool->users++;
	if (tls->roots && X509_STORE_up_ref(tls->roots) == 1)
		http->roots = tls->roots;
	if (tls->cert && X509_up_ref(tls->cert) == 1)
		http->cert = tls->cert;
	if (tls->cert && EVP_PKEY_up_ref(tls->key) == 1)
		http->key = tls->key;
	if (tls->cert && tls->chain)
		http->chain = X509_chain_up_ref((STACK_OF(X509) *)tls->chain);
	return tls->cert && tls->chain && !http->chain ? -ENOMEM : 0;
}

int http_create(const struct hc_host *host, hc_ctx *ctx, const struct http_tls *tls,
		struct http **ret_http)
{
	struct http *http;

	if (strncmp(curl_version_info(CURLVERSION_NOW)->ssl_version, "OpenSSL", 7) != 0)
		return -ENOTSUP;
	http = calloc(1, sizeof(*http));
	if (!http)
		return -ENOMEM;
	http->magic = HTTP_MAGIC;
	http->host = host;
	http->ctx = ctx;
	http->multi = curl_multi_init();
	if (!http->multi || http_take_tls(http, tls) < 0) {
		http_destroy(http);
		return -ENOMEM;
	}
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	if (http->pool)
		curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, POOL_CONNECTIONS_MAX);
	*ret_http = http;
	return 0;
}

void http_destroy(struct http *http)
{
	if (!http)
		return;
	assert(http->magic == HTTP_MAGIC);
	while (http->requests)
		http_request_drop(http->requests);
	curl_multi_cleanup(http->multi);
	while (http->sockets)
		socket_remove(http, http->sockets);
	http->host->timer_remove(http->timer);
	X509_STORE_free(http->roots);
	X509_free(http->cert);
	EVP_PKEY_free(http->key);
	sk_X509_pop_free(http->chain, X509_free);
	http_pool_release(http->pool);
	http->magic = 0;
	free(http);
}
