/*
 * redis/probe - a fresh TLS handshake that looks at what a port serves
 *
 * The peer is not verified: what it shows is compared with a file, and nothing is sent to it.
 */
#ifndef HC_REDIS_PROBE_H
#define HC_REDIS_PROBE_H

#include "common/stream.h"
#include "common/tls.h"

#include <hotcert/plugin.h>

struct probe;

/* chain: what is served; NULL: the handshake failed, and end and error say why. The probe still has
 * to be destroyed, and may be from here. */
typedef void (*probe_fn)(void *data, const struct tls_chain *chain, enum stream_end end,
			 const char *error);

struct probe_options {
	struct stream_addr addr;	 /* its kind is not looked at */
	const struct sockaddr *sockaddr; /* as in stream_options */
	SSL_CTX *context;
	const char *
		name; /* to send as SNI, NULL: none; this and the next two must outlive the probe */
	const char *client_cert, *client_key; /* NULL: none */
	int64_t timeout_ms;
};

/* Begins to connect: 0 or -ENOMEM. */
int probe_create(const struct hc_host *host, hc_ctx *ctx, const struct probe_options *options,
		 probe_fn fn, void *data, struct probe **ret_probe);
void probe_destroy(struct probe *probe); /* takes NULL */

#endif
