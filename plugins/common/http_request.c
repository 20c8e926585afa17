#include "common/http_client.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

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

void http_request_drop(struct http_request *request)
{
	request_unlink(request);
	request_free(request);
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

/* A header of the reply, as long as the request lives; NULL: not there. */
static const char *header_of(CURL *easy, const char *name)
{
	struct curl_header *header;

	if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	return header->value;
}

static int64_t date_of(CURL *easy)
{
	const char *date = header_of(easy, "Date");
	time_t at = date ? curl_getdate(date, NULL) : -1;

	return at < 0 ? 0 : (int64_t)at * 1000;
}

/* Free with free(3). */
static char *header_copy(CURL *easy, const char *name)
{
	const char *value = header_of(easy, name);

	return value ? strdup(value) : NULL;
}

/*
 * libcurl says after how many milliseconds it could not connect: cut that out, so that one failure
 * reads the same each time.
 */
static void drop_duration(char *error)
{
	char *after = strstr(error, " after ");
	size_t digits = after ? strspn(after + strlen(" after "), "0123456789") : 0;
	char *rest = after ? after + strlen(" after ") + digits : NULL;

	if (digits && strncmp(rest, " ms", 3) == 0)
		memmove(after, rest + 3, strlen(rest + 3) + 1);
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
	cleanup_free char *location = header_copy(request->easy, "Location");
	cleanup_free char *nonce = header_copy(request->easy, "Replay-Nonce");

	snprintf(error, sizeof(error), "%s", reply.error);
	drop_duration(error);
	reply.error = error;
	reply.body = body ? body : "";
	reply.location = location ? location : "";
	reply.nonce = nonce ? nonce : "";
	http_request_drop(request);
	fn(fn_data, &reply);
}

void http_request_end(struct http_request *request, CURLcode code)
{
	request->code = code;
	request->deliver =
		request->http->host->timer_add(request->http->ctx, 0, request_deliver, request);
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
	if (request->http->pool)
		curl_easy_setopt(easy, CURLOPT_SHARE, request->http->pool->share);
	if (query->post) {
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, query->post);
		r = header_add(request, "Content-Type",
			       query->type ? query->type : "application/json");
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
