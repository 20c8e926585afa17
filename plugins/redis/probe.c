#include "redis/probe.h"

#include "common/mem.h"

#include <assert.h>
#include <errno.h>

#define PROBE_MAGIC 0x9e0be000u

struct probe {
	unsigned magic;
	struct tls_options tls;
	struct stream *stream;
	probe_fn fn; /* NULL: it was called */
	void *data;
};

/* Once: what comes after the result is of no interest. */
static void tell(struct probe *p, const struct tls_chain *chain, enum stream_end end,
		 const char *error)
{
	probe_fn fn = p->fn;

	p->fn = NULL;
	if (fn)
		fn(p->data, chain, end, error);
}

static void on_ready(void *data)
{
	struct probe *p = data;
	struct tls_chain chain;

	assert(p->magic == PROBE_MAGIC);
	tls_chain_take(stream_tls(p->stream)->ssl, &chain);
	tell(p, &chain, STREAM_CLOSED, "");
}

static void on_data(void *data, const void *buf, size_t len)
{
	(void)data;
	(void)buf;
	(void)len;
}

/*
 * In TLS 1.2 a server that wants a client certificate ends the handshake after it has shown its own
 * and signed the key exchange with it (RFC 5246 section 7.4.3): that is proof enough.
 */
static bool shown_before_end(const struct probe *p, enum stream_end end, struct tls_chain *ret)
{
	const struct tls_session *tls = stream_tls(p->stream);

	if (end != STREAM_REJECTED || !tls->ssl || !tls->asked)
		return false;
	tls_chain_take(tls->ssl, ret);
	return ret->n > 0;
}

static void on_end(void *data, enum stream_end end, const char *error)
{
	struct probe *p = data;
	struct tls_chain chain;

	assert(p->magic == PROBE_MAGIC);
	if (shown_before_end(p, end, &chain))
		tell(p, &chain, STREAM_CLOSED, "");
	else
		tell(p, NULL, end, error);
}

static const struct stream_ops stream_ops = {on_ready, on_data, on_end};

int probe_create(const struct hc_host *host, hc_ctx *ctx, const struct probe_options *o,
		 probe_fn fn, void *data, struct probe **ret_probe)
{
	struct stream_options stream = {
		.addr = o->addr,
		.sockaddr = o->sockaddr,
		.timeout_ms = o->timeout_ms,
	};
	struct probe *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->magic = PROBE_MAGIC;
	p->fn = fn;
	p->data = data;
	p->tls = (struct tls_options){
		.context = o->context,
		.name = o->name,
		.client_cert = o->client_cert,
		.client_key = o->client_key,
	};
	stream.addr.kind = STREAM_TLS;
	stream.tls = &p->tls;
	r = stream_create(host, ctx, &stream, &stream_ops, p, &p->stream);
	if (r < 0) {
		free(p);
		return r;
	}
	*ret_probe = p;
	return 0;
}

void probe_destroy(struct probe *p)
{
	if (!p)
		return;
	assert(p->magic == PROBE_MAGIC);
	stream_destroy(p->stream);
	p->magic = 0;
	free(p);
}
