/*
 * common/http - HTTPS requests on the host's loop, through libcurl's multi interface
 *
 * One client has one TLS identity: the roots it trusts and, perhaps, a certificate of its own.
 * Connections are kept inside a client, so none is ever used with another identity, or in a pool of
 * clients that all trust the same roots. Clients are cheap: make one when it is needed, destroy it
 * when the work is done.
 */
#ifndef HC_COMMON_HTTP_H
#define HC_COMMON_HTTP_H

#include <hotcert/plugin.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest body taken; a longer one ends the request with HTTP_TOO_BIG. */
#define HTTP_BODY_MAX ((size_t)1 << 20)

/* Open connections that clients leave to each other. */
struct http_pool;

/* Who we trust and who we are. The client takes references of its own. */
struct http_tls {
	X509_STORE *roots;	      /* NULL: the peer is not verified at all */
	X509 *cert;		      /* NULL: no client certificate */
	const STACK_OF(X509) * chain; /* what is sent behind it; may be NULL */
	EVP_PKEY *key;		      /* of cert */
	struct http_pool *pool;	      /* NULL: connections of its own; else without a cert */
};

/* What to ask. Copied where it must outlive http_send(). */
struct http_query {
	const char *url;    /* https only */
	const char *post;   /* a JSON body for POST, "" for an empty one; NULL: GET */
	const char *type;   /* Content-Type of post; NULL: application/json */
	const char *bearer; /* for Authorization: Bearer; NULL: none */
	int64_t timeout_ms; /* for all of it, name look-up included */
};

/* How a request ended, apart from its HTTP status. */
enum http_result {
	HTTP_DONE,	   /* a whole reply came, whatever its status */
	HTTP_UNREACHABLE,  /* no name, no route, refused, timed out, cut off: may pass */
	HTTP_NOT_VERIFIED, /* the peer's certificate is not by our roots, or for another name */
	HTTP_REFUSED_US,   /* TLS ended by the peer: as a rule it does not take our certificate */
	HTTP_TOO_BIG,	   /* body longer than HTTP_BODY_MAX */
};

struct http_reply {
	enum http_result result;
	long status;	      /* HTTP status; 0 where none came */
	const char *error;    /* one line where result is not HTTP_DONE, else "" */
	const char *body;     /* NUL-terminated, never NULL */
	size_t len;	      /* of body */
	int64_t date;	      /* the peer's clock, milliseconds since 1970; 0: not told */
	int64_t retry_after;  /* milliseconds it asks us to wait; 0: not told */
	const char *location; /* Location; "" where not told */
	const char *nonce;    /* Replay-Nonce (RFC 8555 section 6.5.1); "" where not told */
};

struct http;
struct http_request;

/* Called once, on the loop, from a stack of its own: anything may be destroyed in it. */
typedef void (*http_fn)(void *data, const struct http_reply *reply);

/* -ENOMEM, or -ENOTSUP where libcurl was not built with OpenSSL. */
int http_create(const struct hc_host *host, hc_ctx *ctx, const struct http_tls *tls,
		struct http **ret_http);

/* Drops its requests without a call, closes its connections. Takes NULL. */
void http_destroy(struct http *http);

/*
 * NULL: out of memory. Only for clients with the same roots: a connection that one of them has
 * verified is good for all. release: no new client uses it; it ends, and closes what is open, once
 * its clients are gone. Takes NULL.
 */
struct http_pool *http_pool_create(void);
void http_pool_release(struct http_pool *pool);

/* Begins a request; fn is called later unless http_destroy() comes first. Negative errno: not
 * begun. */
int http_send(struct http *http, const struct http_query *query, http_fn fn, void *data);

#endif
