#include "redis/target_run.h"

#include "common/mem.h"

#include <string.h>

/* ---- judge: is it ours to reload, and is there anything to do? ---- */

/* What makes a server unfit for a reload, whatever the files are; NULL: nothing. */
static const char *unfit(const struct server *server)
{
	if (!server->files[SERVER_CERT] || server->tls_port < 0)
		return "the server has no TLS parameters: it is older than Redis 6.0 or built "
		       "without TLS";
	if (server->tls_port == 0)
		return "tls-port is 0: the server serves no TLS, so there is nothing to reload";
	return NULL;
}

static int compare_files(struct target *t, char *why, size_t why_size)
{
	struct view view;
	int r;

	view_init(&view, t->peer.pid);
	r = files_compare(&t->server, t->wanted, &view, t->config->set_paths, &t->use, why,
			  why_size);
	view_finish(&view);
	return r;
}

/* What no handshake shows: a new CA file, a key with another passphrase. */
static bool invisible_changes(const struct target *t)
{
	const struct record *r = &t->record;

	if (!r->has_applied)
		return t->use.ca;
	return memcmp(r->key_sha256, t->wanted->key_sha256, 32) != 0 ||
	       (t->use.ca && memcmp(r->ca_sha256, t->wanted->ca_sha256, 32) != 0);
}

/* A warm connection that has seen something else served needs no look: what is wanted is new. */
static bool look_needed(const struct target *t)
{
	return t->goal == TARGET_CHECK || t->proven.n == 0 ||
	       wanted_is_served(t->wanted, &t->proven);
}

static void on_looked(void *data, const struct tls_chain *chain, enum stream_end end,
		      const char *error);
static void took_chain(struct target *t);

static void note_files(struct target *t)
{
	target_note(t, "files        %s, %s%s%s%s", t->server.files[SERVER_CERT],
		    t->server.files[SERVER_KEY], t->use.ca ? ", the CA file" : "",
		    t->use.client_pair ? ", the client pair" : "",
		    t->use.moves ? "; set_paths: to be moved to the watched ones" : "");
}

void target_judge(struct target *t, bool fresh)
{
	const char *reason = unfit(&t->server);
	char text[1400];

	server_describe(&t->server, text, sizeof(text));
	target_note(t, "server       %s", text);
	if (reason) {
		target_finish(t, HC_FAILED, "%s", reason);
		return;
	}
	if (t->wanted && compare_files(t, text, sizeof(text)) < 0) {
		target_finish(t, HC_FAILED, "%s", text);
		return;
	}
	note_files(t);
	if (fresh && t->addr.kind == STREAM_TLS)
		took_chain(t); /* the connection itself has shown it a moment ago */
	else if (look_needed(t))
		target_probe(t, PLACE_PORT, on_looked);
	else
		target_change(t);
}

/* ---- look: what is served? ---- */

void target_remember_served(struct target *t)
{
	struct record *r = &t->record;

	t->proven = t->served;
	target_watch_expiry(t);
	if (r->has_served && memcmp(r->served, t->served.sha256[0], 32) == 0)
		return;
	memcpy(r->served, t->served.sha256[0], 32);
	r->has_served = t->unsaved = true;
}

void target_remember_applied(struct target *t)
{
	struct record *r = &t->record;

	if (r->has_applied && memcmp(r->key_sha256, t->wanted->key_sha256, 32) == 0 &&
	    memcmp(r->ca_sha256, t->wanted->ca_sha256, 32) == 0)
		return;
	memcpy(r->key_sha256, t->wanted->key_sha256, 32);
	memcpy(r->ca_sha256, t->wanted->ca_sha256, 32);
	r->has_applied = t->unsaved = true;
}

static void decide(struct target *t)
{
	if (!t->wanted) {
		target_finish(t, HC_OK, "no whole pair has been seen in the watch yet");
		return;
	}
	if (!wanted_is_served(t->wanted, &t->served) || invisible_changes(t) || t->use.moves) {
		target_change(t);
		return;
	}
	target_remember_served(t);
	target_remember_applied(t);
	target_settle(t, HC_SAME);
}

static void on_bus_looked(void *data, const struct tls_chain *chain, enum stream_end end,
			  const char *error)
{
	struct target *t = data;
	char text[64];

	(void)end;
	if (chain)
		wanted_chain_format(chain, text, sizeof(text));
	target_note(t, "bus          port %u serves %s%s", server_bus_port(&t->server),
		    chain ? text : "nothing: ", chain ? "" : error);
	decide(t);
}

/* The bus has the port's context (src/tls.c): only a person needs to see it before a change. */
static void look_at_bus(struct target *t)
{
	if (server_bus_port(&t->server)) {
		target_probe(t, PLACE_BUS, on_bus_looked);
		return;
	}
	target_note(t, "bus          the server has none that speaks TLS");
	decide(t);
}

/* t->served is what the server shows now. */
static void took_chain(struct target *t)
{
	char text[64];

	wanted_chain_format(&t->served, text, sizeof(text));
	target_note(t, "serves       %s", text);
	target_watch_expiry(t);
	if (t->addr.kind == STREAM_TLS && t->tls.verify)
		target_remember_served(t);
	if (t->goal == TARGET_CHECK && t->config->bus)
		look_at_bus(t);
	else
		decide(t);
}

static void on_looked(void *data, const struct tls_chain *chain, enum stream_end end,
		      const char *error)
{
	struct target *t = data;

	if (chain) {
		t->served = *chain;
		took_chain(t);
		return;
	}
	target_note(t, "serves       nothing: %s", error);
	/* A server that cannot serve what it has is mended by a good pair. */
	if (end == STREAM_REJECTED && t->wanted)
		target_change(t);
	else
		target_finish(t, HC_RETRY, "cannot look at what is served: %s", error);
}

/* ---- where to look ---- */

/* Where this host reaches the server's TLS port or bus. sockaddr is filled in where the host is
 * known by it. */
static bool place_to_look(const struct target *t, enum target_place place, struct stream_addr *addr,
			  struct sockaddr_storage *sockaddr)
{
	const struct redis_config *c = t->config;

	if (c->has_verify_address && place == PLACE_PORT) {
		*addr = c->verify_address;
		return false;
	}
	*addr = t->addr;
	if (place == PLACE_BUS)
		addr->port = server_bus_port(&t->server);
	else if (t->addr.kind != STREAM_TLS)
		addr->port = (uint16_t)t->server.tls_port;
	if (t->addr.kind != STREAM_UNIX)
		return t->control && stream_peer(control_stream(t->control), sockaddr) == 0;
	addr->kind = STREAM_TLS;
	snprintf(addr->host, sizeof(addr->host), "%s", t->server.probe_host);
	return false;
}

void target_probe(struct target *t, enum target_place place, probe_fn fn)
{
	const struct redis_config *c = t->config;
	struct sockaddr_storage sockaddr;
	struct probe_options o = {
		.context = c->context,
		.client_cert = c->client_cert,
		.client_key = c->client_key,
		.timeout_ms = c->connect_timeout,
	};

	if (place_to_look(t, place, &o.addr, &sockaddr))
		o.sockaddr = (const struct sockaddr *)&sockaddr;
	if (c->server_name)
		o.name = c->server_name;
	else if (t->addr.kind != STREAM_UNIX)
		o.name = t->addr.host;
	probe_destroy(steal(&t->probe)); /* of an earlier look */
	if (probe_create(c->host, c->ctx, &o, fn, t, &t->probe) < 0)
		target_finish(t, HC_RETRY, "out of memory");
}
