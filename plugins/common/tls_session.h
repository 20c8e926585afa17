/*
 * common/tls_session - one TLS connection of a client on a non-blocking socket
 */
#ifndef HC_COMMON_TLS_SESSION_H
#define HC_COMMON_TLS_SESSION_H

#include "common/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whom to accept. It and all that it points to must outlive the session. */
struct tls_options {
	SSL_CTX *context;
	const char *name; /* DNS name or IP literal that the peer must carry; also sent as SNI */
	bool verify;	  /* false: any peer and any name */
	const uint8_t (*pins)[32]; /* SHA-256 of leaves that are accepted after their end, too */
	size_t n_pins;
	const char *client_cert; /* PEM files, read for each connection; NULL: none */
	const char *client_key;
};

/* Results of the calls below. */
enum {
	TLS_DONE = 0,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_ENDED,  /* the peer closed the connection, or the network broke it: tls_session.reset */
	TLS_FAILED, /* see tls_session.fault and .error */
};

/* Why a session failed. */
enum tls_fault {
	TLS_FAULT_NONE,
	TLS_FAULT_LOCAL,     /* the client's own certificate or key cannot be used */
	TLS_FAULT_UNTRUSTED, /* the peer was not accepted */
	TLS_FAULT_REJECTED,  /* the peer sent an alert: it does not accept this client, or cannot
				serve */
	TLS_FAULT_NOT_TLS,   /* the peer speaks something else */
	TLS_FAULT_BROKEN,    /* reset, protocol error */
};

struct tls_session {
	SSL *ssl;
	const struct tls_options *options;
	bool asked;  /* the peer asked for a client certificate */
	bool pinned; /* an expired leaf was accepted, for its pin */
	int reset;   /* errno that ended it, or 0 */
	enum tls_fault fault;
	char error[384]; /* one line */
};

/* TLS_DONE or TLS_FAILED. The session must not move in memory. Finish it in either case. */
int tls_session_init(struct tls_session *s, int fd, const struct tls_options *options);
void tls_session_finish(struct tls_session *s); /* takes a zeroed one */

int tls_session_handshake(struct tls_session *s);
int tls_session_read(struct tls_session *s, void *buf, size_t len, size_t *ret_len);
int tls_session_write(struct tls_session *s, const void *data, size_t len, size_t *ret_len);

/* For messages on the client's own certificate: ", which has expired" where it has, or "". */
const char *tls_session_own_expiry(const struct tls_session *s);

/* Tells the peer that nothing more comes; does not wait. */
void tls_session_bye(struct tls_session *s);

#endif
