#include "redis/target_run.h"

#include "common/mem.h"
#include "redis/reply.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

static void look(struct target *t);
static void set(struct target *t);

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
	return t->dry || t->proven.n == 0 || wanted_is_served(t->wanted, &t->proven);
}

static void took_chain(struct target *t);

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
	if (t->wanted && files_compare(&t->server, t->wanted, &t->use, text, sizeof(text)) < 0) {
		target_finish(t, HC_FAILED, "%s", text);
		return;
	}
	target_note(t, "files        %s, %s%s%s", t->server.files[SERVER_CERT],
		    t->server.files[SERVER_KEY], t->use.ca ? ", the CA file" : "",
		    t->use.client_pair ? ", the client pair" : "");
	if (fresh && t->addr.kind == STREAM_TLS)
		took_chain(t); /* the connection itself has shown it a moment ago */
	else if (look_needed(t))
		look(t);
	else
		set(t);
}

/* ---- look: what is served? ---- */

static void remember_served(struct target *t)
{
	struct record *r = &t->record;

	t->proven = t->served;
	if (r->has_served && memcmp(r->served, t->served.sha256[0], 32) == 0)
		return;
	memcpy(r->served, t->served.sha256[0], 32);
	r->has_served = t->unsaved = true;
}

static void remember_applied(struct target *t)
{
	struct record *r = &t->record;

	if (r->has_applied && memcmp(r->key_sha256, t->wanted->key_sha256, 32) == 0 &&
	    memcmp(r->ca_sha256, t->wanted->ca_sha256, 32) == 0)
		return;
	memcpy(r->key_sha256, t->wanted->key_sha256, 32);
	memcpy(r->ca_sha256, t->wanted->ca_sha256, 32);
	r->has_applied = t->unsaved = true;
}

/* t->served is what the server shows now. */
static void took_chain(struct target *t)
{
	char text[64];

	wanted_chain_format(&t->served, text, sizeof(text));
	target_note(t, "serves       %s", text);
	if (t->addr.kind == STREAM_TLS && t->tls.verify)
		remember_served(t);
	if (!t->wanted) {
		target_finish(t, HC_OK, "no whole pair has been seen in the watch yet");
		return;
	}
	if (!wanted_is_served(t->wanted, &t->served) || invisible_changes(t)) {
		set(t);
		return;
	}
	remember_served(t);
	remember_applied(t);
	target_finish(t, HC_OK, "serves %s already", text);
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
		set(t);
	else
		target_finish(t, HC_RETRY, "cannot look at what is served: %s", error);
}

/* Where this host reaches the server's TLS port. sockaddr is filled in where the host is known by
 * it. */
static bool place_to_look(const struct target *t, struct stream_addr *addr,
			  struct sockaddr_storage *sockaddr)
{
	const struct redis_config *c = t->config;

	if (c->has_verify_address) {
		*addr = c->verify_address;
		return false;
	}
	*addr = t->addr;
	if (t->addr.kind != STREAM_TLS)
		addr->port = (uint16_t)t->server.tls_port;
	if (t->addr.kind != STREAM_UNIX)
		return stream_peer(control_stream(t->control), sockaddr) == 0;
	addr->kind = STREAM_TLS;
	snprintf(addr->host, sizeof(addr->host), "%s", t->server.probe_host);
	return false;
}

/* Begins a handshake; hold: only to connect. */
static void start_probe(struct target *t, bool hold, probe_fn fn)
{
	const struct redis_config *c = t->config;
	struct sockaddr_storage sockaddr;
	struct probe_options o = {
		.context = c->context,
		.client_cert = c->client_cert,
		.client_key = c->client_key,
		.timeout_ms = c->connect_timeout,
		.hold = hold,
	};

	if (place_to_look(t, &o.addr, &sockaddr))
		o.sockaddr = (const struct sockaddr *)&sockaddr;
	if (c->server_name)
		o.name = c->server_name;
	else if (t->addr.kind != STREAM_UNIX)
		o.name = t->addr.host;
	probe_destroy(steal(&t->probe)); /* of an earlier look */
	if (probe_create(c->host, c->ctx, &o, fn, t, &t->probe) < 0)
		target_finish(t, HC_RETRY, "out of memory");
}

static void look(struct target *t)
{
	start_probe(t, false, on_looked);
}

/* ---- set: load the files ---- */

/* Would this daemon itself be able to connect again? Nobody else who verifies would, if not. */
static bool locks_out(struct target *t, char *why, size_t why_size)
{
	if (t->addr.kind != STREAM_TLS || !t->tls.verify)
		return false;
	/* Not t->tls.context: a connection that was kept has the roots of the time when it was
	 * made. */
	return wanted_check(t->wanted, t->config->context, t->tls.name, why, why_size) == -EINVAL;
}

static int send_set(struct target *t)
{
	struct files_set set_command;
	struct control_command command = {0, set_command.argv};

	if (files_set_command(&t->server, &t->use, &set_command) < 0)
		return -ENAMETOOLONG;
	command.argc = set_command.argc;
	t->n_asked = 0;
	return control_send(t->control, &command, 1, t->config->reply_timeout);
}

static void on_proved(void *data, const struct tls_chain *chain, enum stream_end end,
		      const char *error);

static void set(struct target *t)
{
	char why[160];

	if (locks_out(t, why, sizeof(why))) {
		target_finish(t, HC_FAILED,
			      "nothing was changed: with the new certificate the server would "
			      "not be accepted as %s: %s; see server_name and ca_file",
			      t->tls.name, why);
		return;
	}
	if (t->dry) {
		target_finish(t, HC_OK, "would be reloaded by CONFIG SET");
		return;
	}
	if (send_set(t) < 0) {
		target_finish(t, HC_RETRY, "out of memory");
		return;
	}
	/*
	 * The server accepts this connection after it is done with CONFIG SET, so with the new
	 * context; where it was faster the handshake shows the old certificate and is done again.
	 */
	t->overlapped = true;
	start_probe(t, true, on_proved);
}

/* Who may read the key, and who would have to: the usual reason, where the server is at a unix
 * socket. */
static void finish_refused(struct target *t, const redisReply *reply)
{
	const struct wanted *w = t->wanted;
	struct ucred cred;
	char text[400];

	if (stream_peer_cred(control_stream(t->control), &cred) < 0 || cred.pid == 0 ||
	    cred.uid == 0) {
		target_finish_reply(t, "CONFIG SET", reply);
		return;
	}
	reply_explain(reply, "", text, sizeof(text));
	target_finish(t, HC_FAILED,
		      "CONFIG SET: %s (%s has mode %04o and owner %u, the server runs as user %u)",
		      text, w->key_path, w->key_mode, w->key_uid, cred.uid);
}

void target_take_set_reply(struct target *t, const redisReply *reply)
{
	enum reply_kind kind = reply_classify(reply);

	if (kind == REPLY_REFUSED) {
		finish_refused(t, reply);
	} else if (kind != REPLY_FINE) {
		target_finish_reply(t, "CONFIG SET", reply);
	} else if (t->probe) {
		probe_release(t->probe);
	} else { /* the early one failed */
		t->overlapped = false;
		start_probe(t, false, on_proved);
	}
}

/* ---- prove: "+OK" is no proof ---- */

/* Whether the file has changed once more since the snapshot, and the server has read it in that
 * state. */
static bool file_moved_on(const struct target *t)
{
	cleanup_fclose FILE *f = fopen(t->wanted->cert_path, "re");
	X509 *leaf = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	uint8_t sha256[32];
	bool moved = leaf && X509_digest(leaf, EVP_sha256(), sha256, NULL) == 1 &&
		     memcmp(sha256, t->served.sha256[0], 32) == 0 &&
		     memcmp(sha256, t->wanted->chain.sha256[0], 32) != 0;

	X509_free(leaf);
	ERR_clear_error();
	return moved;
}

/*
 * What was loaded cannot be undone where paths are unchanged: the old pair is gone from disk. Here
 * a roll-back would start, over the control connection, which still stands.
 */
static void fail_unproven(struct target *t, const char *error)
{
	bool same_leaf = memcmp(t->served.sha256[0], t->wanted->chain.sha256[0], 32) == 0;
	char served[64], want[64];

	wanted_chain_format(&t->served, served, sizeof(served));
	wanted_chain_format(&t->wanted->chain, want, sizeof(want));
	if (error)
		target_finish(t, HC_RETRY,
			      "CONFIG SET said OK, but NEW CONNECTIONS FAIL: %s. The old pair is "
			      "gone from disk: put one in place that the server can use",
			      error);
	else if (file_moved_on(t))
		target_finish(t, HC_RETRY, "serves %s: the file has changed again meanwhile",
			      served);
	else
		target_finish(t, HC_RETRY,
			      "CONFIG SET said OK, but served is %s%s, not %s as in the file; is "
			      "this a server of this host?",
			      served, same_leaf ? " with another chain" : "", want);
}

static void on_proved(void *data, const struct tls_chain *chain, enum stream_end end,
		      const char *error)
{
	struct target *t = data;
	bool again = t->overlapped;
	char text[64];

	(void)end;
	if (control_busy(t->control)) {
		probe_destroy(steal(&t->probe));
		return; /* it did not even connect, and CONFIG SET still runs */
	}
	t->overlapped = false;
	if (chain)
		t->served = *chain;
	if (chain && wanted_is_served(t->wanted, chain)) {
		remember_served(t);
		remember_applied(t);
		wanted_chain_format(chain, text, sizeof(text));
		target_finish(t, HC_OK, "serves %s", text);
	} else if (again) {
		start_probe(t, false, on_proved);
	} else {
		fail_unproven(t, chain ? NULL : error);
	}
}
