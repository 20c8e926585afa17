#include "common/tls_session.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int fail(struct tls_session *s, enum tls_fault fault, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct tls_session *s, enum tls_fault fault, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(s->error, sizeof(s->error), format, args);
	va_end(args);
	s->fault = fault;
	ERR_clear_error();
	return TLS_FAILED;
}

/* ---- accepting the peer ---- */

static bool leaf_pinned(const struct tls_options *o, X509 *leaf)
{
	uint8_t sha256[32];
	unsigned len;

	if (X509_digest(leaf, EVP_sha256(), sha256, &len) != 1)
		return false;
	for (size_t i = 0; i < o->n_pins; i++)
		if (memcmp(o->pins[i], sha256, sizeof(sha256)) == 0)
			return true;
	return false;
}

/* What is wrong with the certificate that the peer showed, with what the operator has to know of
 * it. */
static void describe_refusal(struct tls_session *s, X509_STORE_CTX *store)
{
	int error = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);
	const char *text = X509_verify_cert_error_string(error);
	X509 *cert = X509_STORE_CTX_get_current_cert(store);
	char names[160] = "", end[32] = "";

	if (!cert)
		cert = X509_STORE_CTX_get0_cert(store);
	tls_names_format(cert, names, sizeof(names));
	tls_time_format(tls_time_ms(X509_get0_notAfter(cert)), end, sizeof(end));
	if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH)
		fail(s, TLS_FAULT_UNTRUSTED, "%s: %s was asked for, the peer shows %s", text,
		     s->options->name, names);
	else if (error == X509_V_ERR_CERT_HAS_EXPIRED)
		fail(s, TLS_FAULT_UNTRUSTED, "%s: %s ended %s%s", text, names, end,
		     depth > 0 ? " (an issuer)" : "");
	else
		fail(s, TLS_FAULT_UNTRUSTED, "%s: at depth %d, %s", text, depth, names);
}

/* SSL_CTX_set_verify(3): called for each certificate and each error; 0 ends the handshake. */
static int verify_peer(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_session *s = SSL_get_app_data(ssl);

	if (ok)
		return 1;
	if (X509_STORE_CTX_get_error(store) == X509_V_ERR_CERT_HAS_EXPIRED &&
	    X509_STORE_CTX_get_error_depth(store) == 0 &&
	    leaf_pinned(s->options, X509_STORE_CTX_get0_cert(store))) {
		s->pinned = true;
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	describe_refusal(s, store);
	return 0;
}

/* SSL_CTX_set_cert_verify_callback(3): SSL_VERIFY_NONE alone would build and check the chain all
 * the same. */
static int verify_chain(X509_STORE_CTX *store, void *data)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls_session *s = SSL_get_app_data(ssl);

	(void)data;
	return s->options->verify ? X509_verify_cert(store) : 1;
}

static int expect_peer(struct tls_session *s)
{
	const char *name = s->options->name;

	SSL_set_verify(s->ssl, s->options->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
		       s->options->verify ? verify_peer : NULL);
	if (!name)
		return TLS_DONE;
	if (tls_expect_name(SSL_get0_param(s->ssl), name) < 0)
		return fail(s, TLS_FAULT_LOCAL, "%s cannot be used as a server's name", name);
	/* RFC 6066 section 3: an IP literal is never sent as server name. */
	if (!tls_is_literal(name) && SSL_set_tlsext_host_name(s->ssl, name) != 1)
		return fail(s, TLS_FAULT_LOCAL, "%s cannot be sent as a server's name", name);
	return TLS_DONE;
}

/* ---- showing ourselves ---- */

/* Called where the peer asks for a certificate (SSL_CTX_set_cert_cb(3)). */
static int on_asked(SSL *ssl, void *data)
{
	struct tls_session *s = data;

	(void)ssl;
	s->asked = true;
	return 1;
}

static int load_client_pair(struct tls_session *s)
{
	const struct tls_options *o = s->options;
	char text[128];

	if (!o->client_cert)
		return TLS_DONE;
	if (SSL_use_certificate_chain_file(s->ssl, o->client_cert) != 1) {
		tls_error_text(text, sizeof(text));
		return fail(s, TLS_FAULT_LOCAL, "client certificate %s: %s", o->client_cert, text);
	}
	if (SSL_use_PrivateKey_file(s->ssl, o->client_key, SSL_FILETYPE_PEM) != 1) {
		tls_error_text(text, sizeof(text));
		return fail(s, TLS_FAULT_LOCAL, "client key %s: %s", o->client_key, text);
	}
	return TLS_DONE;
}

int tls_session_init(struct tls_session *s, int fd, const struct tls_options *options)
{
	*s = (struct tls_session){.options = options};
	ERR_clear_error();
	SSL_CTX_set_cert_verify_callback(options->context, verify_chain, NULL);
	s->ssl = SSL_new(options->context);
	if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1)
		return fail(s, TLS_FAULT_LOCAL, "out of memory");
	SSL_set_app_data(s->ssl, s);
	SSL_set_cert_cb(s->ssl, on_asked, s);
	SSL_set_connect_state(s->ssl);
	if (expect_peer(s) != TLS_DONE)
		return TLS_FAILED;
	return load_client_pair(s);
}

void tls_session_finish(struct tls_session *s)
{
	SSL_free(s->ssl);
	*s = (struct tls_session){.ssl = NULL};
}

/* ---- what went wrong ---- */

/* The alerts that say: this client's certificate, or the lack of it (RFC 8446 section 6.2). */
static bool alert_about_client(int reason)
{
	switch (reason) {
	case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

const char *tls_session_own_expiry(const struct tls_session *s)
{
	const X509 *own = SSL_get_certificate(s->ssl);

	return own && X509_cmp_current_time(X509_get0_notAfter(own)) < 0 ? ", which has expired"
									 : "";
}

static bool not_tls(int reason)
{
	return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG ||
	       reason == SSL_R_HTTP_REQUEST || reason == SSL_R_RECORD_LENGTH_MISMATCH ||
	       reason == SSL_R_BAD_RECORD_TYPE;
}

/* An alert is 1000 and its number (SSL_AD_REASON_OFFSET in openssl/ssl.h). */
static int fail_by_reason(struct tls_session *s, int reason)
{
	const struct tls_options *o = s->options;
	char text[128];

	tls_error_text(text, sizeof(text));
	if (not_tls(reason))
		return fail(s, TLS_FAULT_NOT_TLS, "the port does not speak TLS (%s)", text);
	if (s->asked && (alert_about_client(reason) || !o->client_cert) &&
	    reason >= SSL_AD_REASON_OFFSET) {
		if (!o->client_cert)
			return fail(s, TLS_FAULT_REJECTED,
				    "the peer asks for a client certificate (%s)", text);
		return fail(s, TLS_FAULT_REJECTED,
			    "the peer refuses the client certificate %s%s (%s)", o->client_cert,
			    tls_session_own_expiry(s), text);
	}
	if (reason >= SSL_AD_REASON_OFFSET)
		return fail(s, TLS_FAULT_REJECTED, "the peer ends the handshake: %s", text);
	return fail(s, TLS_FAULT_BROKEN, "TLS: %s", text);
}

/* SSL_get_error(3). errno is that of the call. */
static int result_of(struct tls_session *s, int ret, int saved_errno)
{
	unsigned long e;

	switch (SSL_get_error(s->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_ENDED;
	case SSL_ERROR_SYSCALL:
		s->reset = saved_errno;
		return TLS_ENDED;
	default:
		break;
	}
	if (s->fault == TLS_FAULT_UNTRUSTED) {
		ERR_clear_error();
		return TLS_FAILED;
	}
	e = ERR_peek_last_error();
	if (ERR_GET_LIB(e) == ERR_LIB_SSL &&
	    ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return TLS_ENDED;
	return fail_by_reason(s, ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0);
}

int tls_session_handshake(struct tls_session *s)
{
	int ret;

	ERR_clear_error();
	errno = 0;
	ret = SSL_do_handshake(s->ssl);
	return ret == 1 ? TLS_DONE : result_of(s, ret, errno);
}

int tls_session_read(struct tls_session *s, void *buf, size_t len, size_t *ret_len)
{
	int ret;

	ERR_clear_error();
	errno = 0;
	ret = SSL_read_ex(s->ssl, buf, len, ret_len);
	return ret == 1 ? TLS_DONE : result_of(s, ret, errno);
}

int tls_session_write(struct tls_session *s, const void *data, size_t len, size_t *ret_len)
{
	int ret;

	ERR_clear_error();
	errno = 0;
	ret = SSL_write_ex(s->ssl, data, len, ret_len);
	return ret == 1 ? TLS_DONE : result_of(s, ret, errno);
}

void tls_session_bye(struct tls_session *s)
{
	if (!s->ssl || !SSL_is_init_finished(s->ssl) || s->fault != TLS_FAULT_NONE)
		return;
	ERR_clear_error();
	SSL_shutdown(s->ssl);
	ERR_clear_error();
}
