/*
 * stepca/acme_listen - listeners that answer a CA's http-01 and tls-alpn-01 checks
 *
 * A socket is open only while a challenge waits for the CA. All instances of this process that name
 * the same address share one, so that two certificates can be ordered at the same time.
 */
#ifndef HC_STEPCA_ACME_LISTEN_H
#define HC_STEPCA_ACME_LISTEN_H

#include <hotcert/plugin.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <sys/socket.h>

/*
 * Reads ":80" (all addresses, IPv4 and IPv6), "192.0.2.1:80" or "[2001:db8::1]:80". 0 or -EINVAL.
 */
int acme_listen_parse(const char *text, struct sockaddr_storage *ret);

/* A non-blocking socket that listens at such an address, or what socket(2) and bind(2) say. */
int acme_listen_at(const struct sockaddr_storage *wanted);

/* What is shown to a CA that asks for `key`: a token, or a server name in lower case. */
struct acme_answer {
	const char *key;
	const char *content;   /* http-01: the key authorization */
	X509 *cert;	       /* tls-alpn-01: the certificate with the acmeIdentifier */
	EVP_PKEY *private_key; /* its key */
};

/* How a connection is talked to: acme_listen_http.c, acme_listen_tls.c. */
struct acme_protocol;
extern const struct acme_protocol acme_http_protocol;
extern const struct acme_protocol acme_tls_protocol;

/* One instance at a listener. */
struct acme_guest;

/*
 * Opens the address, or joins those who have. -EINVAL (an address for another protocol already),
 * -ENOMEM, or what socket(2) and bind(2) say.
 */
int acme_guest_join(const struct hc_host *host, hc_ctx *ctx, const char *address,
		    const struct acme_protocol *protocol, struct acme_guest **ret);

/* Adds an answer; it is copied. -ENOMEM. */
int acme_guest_add(struct acme_guest *guest, const struct acme_answer *answer);

/* Takes the answers back, and closes the listener with the last guest. Takes NULL. */
void acme_guest_leave(struct acme_guest *guest);

#endif
