/*
 * stepca/acme_conn - what the listener and its two protocols share: one connection of a CA
 */
#ifndef HC_STEPCA_ACME_CONN_H
#define HC_STEPCA_ACME_CONN_H

#include "stepca/acme_listen.h"

#include <openssl/ssl.h>
#include <stddef.h>

#define ACME_CONN_MAGIC 0x61636f6eU

enum { ACME_REQUEST_MAX = 4096 };

struct acme_listener;

struct acme_conn {
	uint32_t magic;
	struct acme_listener *listener;
	struct acme_conn *next;
	int fd;
	hc_io *io;
	hc_timer *timer;
	SSL *ssl;			/* tls-alpn-01 */
	char request[ACME_REQUEST_MAX]; /* http-01: what came so far */
	size_t len;
	char *reply; /* http-01: what is left of it to send, from `sent` on */
	size_t sent;
};

struct acme_protocol {
	/* Prepares a connection. Negative errno: it is closed. */
	int (*begin)(struct acme_conn *conn);
	/* Goes on as far as it can: the HC_IO_* to wait for, or 0 when it is done. */
	uint32_t (*advance)(struct acme_conn *conn);
};

/* The answer for a key, of whichever guest; NULL: nobody's. Lives until the loop goes on. */
const struct acme_answer *acme_listener_find(const struct acme_listener *listener, const char *key);

/*
 * The reply to the head of an HTTP request: to GET /.well-known/acme-challenge/TOKEN the answer,
 * to all else an error. NULL: out of memory. Free with free(3).
 */
char *acme_http_reply(const struct acme_listener *listener, const char *request);

#endif
