/*
 * common/http_client - what http.c and http_request.c share
 */
#ifndef HC_COMMON_HTTP_CLIENT_H
#define HC_COMMON_HTTP_CLIENT_H

#include "common/http.h"

#include <curl/curl.h>
#include <openssl/ssl.h>

#define HTTP_MAGIC 0x68747470U
#define REQUEST_MAGIC 0x72657175U

/* Connections that idle in a pool, at most; libcurl's own limit counts the requests of one client.
 */
#define POOL_CONNECTIONS_MAX 1000L

struct http_pool {
	CURLSH *share;
	unsigned users; /* who made it, and its clients */
};

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
	struct http_pool *pool;
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

/* libcurl is through with it: the reply is delivered soon, from a stack of its own. */
void http_request_end(struct http_request *request, CURLcode code);

/* Takes it out of its client, without a call. */
void http_request_drop(struct http_request *request);

#endif
