/*
 * common/stream - a byte stream to a server: unix socket, TCP or TLS, without ever blocking
 *
 * The stream connects by itself: name look-up, addresses in turn, TLS handshake with the peer
 * verified. It calls back on the host's loop: on_ready once, on_data as bytes come, on_end once and
 * last. Callbacks never come from inside the functions below, and may call any of them,
 * stream_destroy() too.
 */
#ifndef HC_COMMON_STREAM_H
#define HC_COMMON_STREAM_H

#include "common/stream_addr.h"
#include "common/stream_wire.h"
#include "common/tls_session.h"

#include <hotcert/plugin.h>
#include <stdint.h>
#include <sys/socket.h>

struct stream;

struct stream_ops {
	/* Connected and, with TLS, the peer accepted. */
	void (*on_ready)(void *data);
	/* Bytes arrived; buf dies when the call returns. */
	void (*on_data)(void *data, const void *buf, size_t len);
	/* It is over. error is one line without the address. The stream still has to be destroyed.
	 */
	void (*on_end)(void *data, enum stream_end end, const char *error);
};

struct stream_options {
	struct stream_addr addr;
	const struct tls_options *tls;	 /* for STREAM_TLS; must outlive the stream */
	const struct sockaddr *sockaddr; /* not NULL: connect there, with the port of addr */
	int64_t timeout_ms;		 /* from now to on_ready */
};

/* Begins to connect. Returns 0 or -ENOMEM; all else is told by on_end. */
int stream_create(const struct hc_host *host, hc_ctx *ctx, const struct stream_options *options,
		  const struct stream_ops *ops, void *data, struct stream **ret_stream);

/* Closes at once; no callback comes any more. Takes NULL. */
void stream_destroy(struct stream *s);

/* Queues and sends bytes; they are wiped once they are sent. Returns 0 or -ENOMEM. */
int stream_write(struct stream *s, const void *data, size_t len);

/*
 * Ends a stream that is ready with STREAM_TIMEOUT after so many milliseconds from now; 0: never.
 * awaited is a constant text for the message: "no reply in time".
 */
void stream_set_timeout(struct stream *s, int64_t timeout_ms, const char *awaited);

/* The connected socket's peer: 0, or -ENOTCONN. */
int stream_peer(const struct stream *s, struct sockaddr_storage *ret);

/* The process at the other end of a unix socket (SO_PEERCRED in unix(7)): 0, or a negative errno.
 */
int stream_peer_cred(const struct stream *s, struct ucred *ret);

/* The TLS session of a stream that is ready; NULL without TLS. */
const struct tls_session *stream_tls(const struct stream *s);

#endif
