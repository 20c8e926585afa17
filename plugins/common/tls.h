/*
 * common/tls - what TLS clients share: contexts with their trust, and the chain that a peer showed
 */
#ifndef HC_COMMON_TLS_H
#define HC_COMMON_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a context's trust anchors come from. */
enum tls_anchors {
	TLS_ANCHORS_NONE,   /* for connections that verify nothing */
	TLS_ANCHORS_SYSTEM, /* OpenSSL's default directory, read as it is needed */
	TLS_ANCHORS_PEM,    /* the certificates in pem */
};

/*
 * Makes a client context: TLS 1.2 and later, no session reuse, peers verified. A context is worth
 * keeping; free it with SSL_CTX_free(). Returns 0, -ENOMEM, or -EINVAL and a one-line reason in
 * why.
 */
int tls_context_create(enum tls_anchors anchors, const void *pem, size_t len, SSL_CTX **ret_context,
		       char *why, size_t why_size);

/* Whether the name is an IPv4 or IPv6 literal. */
bool tls_is_literal(const char *name);

/* Makes a verification ask for this DNS name or IP literal: 0 or -EINVAL. */
int tls_expect_name(X509_VERIFY_PARAM *param, const char *name);

/*
 * Whether a client with this context would accept a server that shows leaf and issuers under that
 * name (NULL: any): 0, or -EINVAL with a one-line reason in why, or -ENOMEM. issuers may be NULL.
 */
int tls_check_chain(SSL_CTX *context, X509 *leaf, STACK_OF(X509) * issuers, const char *name,
		    char *why, size_t why_size);

#define TLS_CHAIN_MAX 10

/* The certificates that a peer showed, the leaf first. */
struct tls_chain {
	uint32_t n;			   /* at most TLS_CHAIN_MAX are kept; 0: none was shown */
	uint8_t sha256[TLS_CHAIN_MAX][32]; /* of the DER encodings */
	int64_t not_before, not_after;	   /* the leaf's, milliseconds since 1970 */
};

/* What the peer of a connection showed, verified or not. */
void tls_chain_take(const SSL *ssl, struct tls_chain *ret_chain);

/* An ASN1_TIME in milliseconds since 1970; INT64_MIN where it is malformed. */
int64_t tls_time_ms(const ASN1_TIME *time);

/* "2026-11-25 03:21:07 UTC"; buf of 24 bytes or more. */
void tls_time_format(int64_t ms, char *buf, size_t size);

/* The certificate's names for a message: "dns:a, ip:10.0.0.1", or the subject where it has no SAN.
 */
void tls_names_format(X509 *cert, char *buf, size_t size);

/* The last reason in OpenSSL's error queue, which is emptied: "bad decrypt". Never empty. */
void tls_error_text(char *buf, size_t size);

#endif
