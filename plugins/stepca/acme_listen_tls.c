/*
 * tls-alpn-01 (RFC 8737): a handshake with the protocol acme-tls/1 gets the certificate that proves
 * it, anything else an alert
 */
#include "common/mem.h"
#include "stepca/acme_conn.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

static const unsigned char acme_tls[] = "\x0a"
					"acme-tls/1";

/* Without ALPN it is no CA that asks. */
static int on_hello(SSL *ssl, int *alert, void *data)
{
	const unsigned char *value;
	size_t len;

	(void)data;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
				      &value, &len) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

static int on_server_name(SSL *ssl, int *alert, void *data)
{
	const struct acme_conn *conn = data;
	const char *sent = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct acme_answer *answer;
	char name[256];
	size_t len = sent ? strlen(sent) : 0;

	*alert = SSL_AD_UNRECOGNIZED_NAME;
	if (len == 0 || len >= sizeof(name))
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	for (size_t i = 0; i <= len; i++)
		name[i] = (char)tolower((unsigned char)sent[i]);
	answer = acme_listener_find(conn->listener, name);
	if (!answer || SSL_use_certificate(ssl, answer->cert) != 1 ||
	    SSL_use_PrivateKey(ssl, answer->private_key) != 1)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned in_len, void *data)
{
	unsigned char *chosen;

	(void)ssl;
	(void)data;
	if (SSL_select_next_proto(&chosen, out_len, acme_tls, sizeof(acme_tls) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int tls_begin(struct acme_conn *conn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx) {
		SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
		SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
		SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
		SSL_CTX_set_tlsext_servername_arg(ctx, conn);
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
		conn->ssl = SSL_new(ctx);
	}
	SSL_CTX_free(ctx);
	if (!conn->ssl || SSL_set_fd(conn->ssl, conn->fd) != 1)
		return -ENOMEM;
	SSL_set_accept_state(conn->ssl);
	return 0;
}

/* Section 3: once the handshake is over, the connection is. */
static uint32_t tls_advance(struct acme_conn *conn)
{
	int r, error;

	ERR_clear_error();
	r = SSL_do_handshake(conn->ssl);
	error = SSL_get_error(conn->ssl, r);
	ERR_clear_error();
	if (error == SSL_ERROR_WANT_READ)
		return HC_IO_READ;
	if (error == SSL_ERROR_WANT_WRITE)
		return HC_IO_WRITE;
	if (error == SSL_ERROR_NONE)
		SSL_shutdown(conn->ssl);
	ERR_clear_error();
	return 0;
}

const struct acme_protocol acme_tls_protocol = {.begin = tls_begin, .advance = tls_advance};
