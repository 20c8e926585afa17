/*
 * common/stream_wire - a connected socket, plain or TLS, and the reason why it ended
 */
#ifndef HC_COMMON_STREAM_WIRE_H
#define HC_COMMON_STREAM_WIRE_H

#include "common/stream_addr.h"
#include "common/tls_session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a stream ended. */
enum stream_end {
	STREAM_CLOSED,	    /* by the peer, or reset; a network error */
	STREAM_UNREACHABLE, /* no address of the name, nobody listens */
	STREAM_TIMEOUT,	    /* the deadline passed */
	STREAM_UNTRUSTED,   /* this side did not accept the peer */
	STREAM_REJECTED,    /* the peer does not accept this side, or cannot serve: a TLS alert */
	STREAM_NOT_TLS,	    /* the peer does not speak TLS */
	STREAM_LOCAL,	    /* out of memory or descriptors; own certificate or key unusable */
};

struct wire {
	int fd; /* -1: none */
	enum stream_kind kind;
	const struct tls_options *tls_options; /* NULL: plain */
	struct tls_session tls;
	bool shaken;	   /* the TLS handshake has ended well */
	uint64_t received; /* bytes of the application */

	bool ended;
	enum stream_end end;
	char error[512]; /* one line */
};

/* Results of wire_*(): where it is WIRE_ENDED, end and error say why. */
enum {
	WIRE_DONE = 0,
	WIRE_WANT_READ,
	WIRE_WANT_WRITE,
	WIRE_ENDED,
};

/* tls_options may be NULL where kind is not STREAM_TLS. The wire must not move in memory. */
void wire_init(struct wire *w, enum stream_kind kind, const struct tls_options *tls_options);
/* Closes the socket, with a goodbye where TLS is up. */
void wire_finish(struct wire *w);

/* Takes a connected socket and prepares TLS on it: WIRE_DONE or WIRE_ENDED. */
int wire_begin(struct wire *w, int fd);
int wire_handshake(struct wire *w);
int wire_read(struct wire *w, void *buf, size_t size, size_t *ret_len);
int wire_write(struct wire *w, const void *data, size_t len, size_t *ret_len);

/* Notes why it is over; the first reason stays. Returns WIRE_ENDED. */
int wire_end(struct wire *w, enum stream_end end, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* That the time is over: awaited is what did not happen. */
int wire_end_timeout(struct wire *w, const char *awaited);

#endif
