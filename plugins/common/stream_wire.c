#include "common/stream_wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void wire_init(struct wire *w, enum stream_kind kind, const struct tls_options *tls_options)
{
	*w = (struct wire){
		.fd = -1,
		.kind = kind,
		.tls_options = kind == STREAM_TLS ? tls_options : NULL,
	};
}

void wire_finish(struct wire *w)
{
	if (w->shaken)
		tls_session_bye(&w->tls);
	tls_session_finish(&w->tls);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

/* ---- why it ended ---- */

int wire_end(struct wire *w, enum stream_end end, const char *format, ...)
{
	va_list args;

	if (w->ended)
		return WIRE_ENDED;
	va_start(args, format);
	vsnprintf(w->error, sizeof(w->error), format, args);
	va_end(args);
	w->end = end;
	w->ended = true;
	return WIRE_ENDED;
}

static bool in_handshake(const struct wire *w)
{
	return w->tls.ssl && !w->shaken;
}

/* A server answers TLS to a plaintext port with silence: it waits for the end of a line. */
int wire_end_timeout(struct wire *w, const char *awaited)
{
	if (in_handshake(w) && BIO_number_read(SSL_get_rbio(w->tls.ssl)) == 0)
		return wire_end(w, STREAM_TIMEOUT,
				"no answer to the TLS handshake: the server hangs, or the port "
				"speaks plaintext (\"tcp:\")");
	if (in_handshake(w))
		return wire_end(w, STREAM_TIMEOUT, "the TLS handshake does not come to an end");
	return wire_end(w, STREAM_TIMEOUT, "%s", awaited);
}

/*
 * TLS 1.3 lets a client in before its certificate is looked at; the alert that follows is lost
 * where the client has written already and the server resets the connection.
 */
static int end_asked(struct wire *w)
{
	const char *shown = w->tls_options->client_cert;

	if (!shown)
		return wire_end(w, STREAM_REJECTED,
				"the peer asks for a client certificate, and closes without one");
	return wire_end(w, STREAM_REJECTED,
			"closed by the peer, which may refuse the client certificate %s%s", shown,
			tls_session_own_expiry(&w->tls));
}

/* A TLS port answers plaintext with an alert, a reset or nothing. */
static int end_closed(struct wire *w, int error)
{
	if (w->tls_options && w->shaken && w->tls.asked && w->received == 0)
		return end_asked(w);
	if (in_handshake(w))
		return wire_end(w, STREAM_CLOSED, "closed by the peer in the TLS handshake%s%s",
				error ? ": " : "", error ? strerror(error) : "");
	if (w->kind == STREAM_TCP && w->received == 0)
		return wire_end(w, STREAM_CLOSED,
				"closed without a byte; if the port speaks TLS, "
				"leave out \"tcp:\"");
	return wire_end(w, STREAM_CLOSED, "%s", error ? strerror(error) : "closed by the peer");
}

static enum stream_end end_of_fault(enum tls_fault fault)
{
	switch (fault) {
	case TLS_FAULT_LOCAL:
		return STREAM_LOCAL;
	case TLS_FAULT_UNTRUSTED:
		return STREAM_UNTRUSTED;
	case TLS_FAULT_REJECTED:
		return STREAM_REJECTED;
	case TLS_FAULT_NOT_TLS:
		return STREAM_NOT_TLS;
	case TLS_FAULT_BROKEN:
	case TLS_FAULT_NONE:
		break;
	}
	return STREAM_CLOSED;
}

static int result_of_tls(struct wire *w, int r)
{
	switch (r) {
	case TLS_DONE:
		return WIRE_DONE;
	case TLS_WANT_READ:
		return WIRE_WANT_READ;
	case TLS_WANT_WRITE:
		return WIRE_WANT_WRITE;
	case TLS_ENDED:
		return end_closed(w, w->tls.reset);
	default:
		return wire_end(w, end_of_fault(w->tls.fault), "%s", w->tls.error);
	}
}

/* ---- bytes ---- */

int wire_begin(struct wire *w, int fd)
{
	w->fd = fd;
	if (!w->tls_options)
		return WIRE_DONE;
	return result_of_tls(w, tls_session_init(&w->tls, fd, w->tls_options));
}

int wire_handshake(struct wire *w)
{
	int r = result_of_tls(w, tls_session_handshake(&w->tls));

	w->shaken = r == WIRE_DONE;
	return r;
}

int wire_read(struct wire *w, void *buf, size_t size, size_t *ret_len)
{
	ssize_t n;
	int r;

	if (w->tls_options) {
		r = result_of_tls(w, tls_session_read(&w->tls, buf, size, ret_len));
		if (r == WIRE_DONE)
			w->received += *ret_len;
		return r;
	}
	n = recv(w->fd, buf, size, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return WIRE_WANT_READ;
	if (n <= 0)
		return end_closed(w, n < 0 ? errno : 0);
	w->received += (size_t)n;
	*ret_len = (size_t)n;
	return WIRE_DONE;
}

int wire_write(struct wire *w, const void *data, size_t len, size_t *ret_len)
{
	ssize_t n;

	if (w->tls_options)
		return result_of_tls(w, tls_session_write(&w->tls, data, len, ret_len));
	n = send(w->fd, data, len, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return WIRE_WANT_WRITE;
	if (n < 0)
		return end_closed(w, errno);
	*ret_len = (size_t)n;
	return WIRE_DONE;
}
