#include "common/http.h"

#include "common/mem.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#define HTTP_MAGIC 0x68747470U
#define REQUEST_MAGIC 0x72657175U

struct http {
	uint32_t magic;
	const struct hc_host *host;
	hc_ctx *ctx;
	CURLM *multi;
	hc_timer *timer;
	struct http_request *requests;
	struct http_socket *sockets;
	X509_STORE *roots;
	X509 *cert;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
};

struct http_request {
	uint32_t magic;
	struct http *http;
	struct http_request *next;
	CURL *easy;
	struct curl_slist *headers;
	hc_timer *deliver; /* set once it has ended */
	CURLcode code;
	bool too_big;
	http_fn fn;
	void *data;
	char *body;
	size_t len;
	size_t size;
	char error[CURL_ERROR_SIZE];
};

/* A socket of libcurl's, resolver pipes included. */
struct http_socket {
	struct http *http;
	struct http_socket *next;
	curl_socket_t fd;
	hc_io *io;
};

static void request_free(struct http_request *request)
{
	if (!request)
		return;
	request->http->host->timer_remove(request->deliver);
	if (request->easy) {
		curl_multi_remove_handle(request->http->multi, request->easy);
		curl_easy_cleanup(request->easy);
	}
	curl_slist_free_all(request->headers);
	free(request->body);
	free(request);
}

static void request_unlink(struct http_request *request)
{
	struct http_request **at = &request->http->requests;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
}

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

/* -- the end of a request ------------------------------------------------------------------- */

static enum http_result result_of(const struct http_request *request)
{
	if (request->too_big)
		return HTTP_TOO_BIG;
	switch (request->code) {
	case CURLE_OK:
		return HTTP_DONE;
	case CURLE_PEER_FAILED_VERIFICATION:
		return HTTP_NOT_VERIFIED;
	/* An alert after the TLS 1.3 handshake shows as 56 or 55, before its end as 35. */
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return request->http->cert ? HTTP_REFUSED_US : HTTP_UNREACHABLE;
	default:
		return HTTP_UNREACHABLE;
	}
}

static int64_t date_of(CURL *easy)
{
	struct curl_header *date;
	time_t at;

	if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &date) != CURLHE_OK)
		return 0;
	at = curl_getdate(date->value, NULL);
	return at < 0 ? 0 : (int64_t)at * 1000;
}

static const char *error_of(const struct http_request *request)
{
	if (request->too_big)
		return "the reply is longer than 1 MiB";
	if (request->code == CURLE_OK)
		return "";
	return *request->error ? request->error : curl_easy_strerror(request->code);
}

static void request_deliver(void *data)
{
	struct http_request *request = data;
	struct http_reply reply = {.result = result_of(request)};
	curl_off_t wait = 0;

	assert(request->magic == REQUEST_MAGIC);
	reply.error = error_of(request);
	reply.body = request->body ? request->body : "";
	reply.len = request->len;
	reply.date = date_of(request->easy);
	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &reply.status);
	curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &wait);
	reply.retry_after = wait > 0 && wait < INT32_MAX ? (int64_t)wait * 1000 : 0;

	/* Taken apart before the call, which may destroy the client. */
	http_fn fn = request->fn;
	void *fn_data = request->data;
	char error[CURL_ERROR_SIZE];
	cleanup_free char *body = steal(&request->body);

	snprintf(error, sizeof(error), "%s", reply.error);
	reply.error = error;
	request_unlink(request);
	request_free(request);
	fn(fn_data, &reply);
}

/* Takes what has ended; each is delivered by a timer, from a stack without libcurl on it. */
static void http_collect(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		struct http_request *request = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
		request->code = message->data.result;
		request->deliver = http->host->timer_add(http->ctx, 0, request_deliver, request);
	}
}

static void http_advance(struct http *http, curl_socket_t fd, int events)
{
	int running;

	assert(http->magic == HTTP_MAGIC);
	curl_multi_socket_action(http->multi, fd, events, &running);
	http_collect(http);
}

/* -- a request ------------------------------------------------------------------------------ */

/* CURLOPT_WRITEFUNCTION */
static size_t on_body(char *data, size_t one, size_t n, void *to)
{
	struct http_request *request = to;
	char *grown;

	n *= one;
	if (request->len + n > HTTP_BODY_MAX) {
		request->too_big = true;
		return 0;
	}
	if (request->len + n >= request->size) {
		size_t size = (request->len + n + 1) * 2;

		grown = realloc(request->body, size);
		if (!grown)
			return 0;
		request->body = grown;
		request->size = size;
	}
	memcpy(request->body + request->len, data, n);
	request->len += n;
	request->body[request->len] = '\0';
	return n;
}

/* CURLOPT_SSL_CTX_FUNCTION: trust and identity go in as objects; nothing touches a file. */
static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *data)
{
	const struct http *http = data;
	SSL_CTX *ctx = ssl_ctx;

	(void)easy;
	if (http->roots)
		SSL_CTX_set1_cert_store(ctx, http->roots);
	if (!http->cert)
		return CURLE_OK;
	if (SSL_CTX_use_certificate(ctx, http->cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, http->key) != 1 ||
	    (http->chain && SSL_CTX_set1_chain(ctx, http->chain) != 1))
		return CURLE_SSL_CERTPROBLEM;
	return CURLE_OK;
}

/* CURLOPT_OPENSOCKETFUNCTION: libcurl itself leaves sockets open for programs we start. */
static curl_socket_t on_open(void *data, curlsocktype purpose, struct curl_sockaddr *addr)
{
	(void)data;
	(void)purpose;
	return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

static int header_add(struct http_request *request, const char *name, const char *value)
{
	cleanup_free char *line = NULL;
	struct curl_slist *headers;

	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	headers = curl_slist_append(request->headers, line);
	explicit_bzero(line, strlen(line));
	if (!headers)
		return -ENOMEM;
	request->headers = headers;
	return 0;
}

static void request_secure(struct http_request *request)
{
	CURL *easy = request->easy;
	long verify = request->http->roots ? 1 : 0;

	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify * 2);
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, request->http);
}

static int request_setup(struct http_request *request, const struct http_query *query)
{
	CURL *easy = request->easy;
	int r = 0;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	/* A name look-up that hangs must not hold up curl_easy_cleanup(): libcurl 7.87. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)query->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "hotcert/" HC_VERSION);
	request_secure(request);
	if (query->post) {
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, query->post);
		r = header_add(request, "Content-Type", "application/json");
	}
	if (r == 0 && query->bearer) {
		cleanup_free char *value = NULL;

		r = asprintf(&value, "Bearer %s", query->bearer) < 0 ? -ENOMEM : 0;
		if (r < 0)
			value = NULL;
		else
			r = header_add(request, "Authorization", value);
	}
	if (r < 0 || curl_easy_setopt(easy, CURLOPT_URL, query->url) != CURLE_OK)
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
	return 0;
}

int http_send(struct http *http, const struct http_query *query, http_fn fn, void *data)
{
	struct http_request *request;

	assert(http->magic == HTTP_MAGIC);
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	request->magic = REQUEST_MAGIC;
	request->http = http;
	request->fn = fn;
	request->data = data;
	request->easy = curl_easy_init();
	if (!request->easy || request_setup(request, query) < 0)
		goto fail;
	request->next = http->requests;
	http->requests = request;
	if (curl_multi_add_handle(http->multi, request->easy) == CURLM_OK)
		return 0;
	request_unlink(request);
fail:
	request_free(request);
	return -ENOMEM;
}

/* -- a client ------------------------------------------------------------------------------- */

static int http_take_tls(struct http *http, const struct http_tls *tls)
{
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
	*ret_http = http;
	return 0;
}

void http_destroy(struct http *http)
{
	if (!http)
		return;
	assert(http->magic == HTTP_MAGIC);
	while (http->requests) {
		struct http_request *request = http->requests;

		request_unlink(request);
		request_free(request);
	}
	curl_multi_cleanup(http->multi);
	while (http->sockets)
		socket_remove(http, http->sockets);
	http->host->timer_remove(http->timer);
	X509_STORE_free(http->roots);
	X509_free(http->cert);
	EVP_PKEY_free(http->key);
	sk_X509_pop_free(http->chain, X509_free);
	http->magic = 0;
	free(http);
}
