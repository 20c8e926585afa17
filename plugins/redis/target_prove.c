#include "redis/target_run.h"

#include "common/mem.h"
#include "redis/reply.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* ---- "+OK" is no proof ---- */

/* Whether the file has changed once more since the snapshot, and the server has read it in that
 * state. */
static bool file_moved_on(const struct target *t)
{
	cleanup_fclose FILE *f = fopen(t->wanted->cert.ours, "re");
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
 * What was loaded cannot be undone where the paths are unchanged: the old pair is gone from disk.
 * The control connection, which still stands, is kept: the next pair goes over it, even where
 * nobody can connect any more.
 */
static void finish_unproven(struct target *t, const char *error)
{
	bool same_leaf = memcmp(t->served.sha256[0], t->wanted->chain.sha256[0], 32) == 0;
	char served[64], want[64];

	t->keep = true;
	wanted_chain_format(&t->served, served, sizeof(served));
	wanted_chain_format(&t->wanted->chain, want, sizeof(want));
	if (error)
		target_finish(
			t, HC_RETRY,
			"CONFIG SET said OK, but NEW CONNECTIONS FAIL: %s. The old pair is "
			"gone from disk: put one in place that the server can use; it will be "
			"loaded over the connection that is still open",
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

/* ---- back to the paths that the server had ---- */

static void on_undone(void *data, const struct tls_chain *chain, enum stream_end end,
		      const char *error)
{
	struct target *t = data;
	char text[64] = "";

	(void)end;
	t->keep = true;
	if (chain) {
		t->served = *chain;
		wanted_chain_format(chain, text, sizeof(text));
	}
	target_finish(t, HC_FAILED,
		      "CONFIG SET of the watched paths said OK, but was not proven by a handshake; "
		      "rolled back to %s: %s%s",
		      t->server.files[SERVER_CERT],
		      chain ? "serves " : "NEW CONNECTIONS FAIL: ", chain ? text : error);
}

void target_take_undo_reply(struct target *t, const redisReply *reply)
{
	if (reply_classify(reply) == REPLY_FINE)
		target_probe(t, PLACE_PORT, on_undone);
	else
		target_finish_reply(t, "CONFIG SET was not proven by a handshake, and rolling back",
				    reply);
}

static void fail_unproven(struct target *t, const char *error)
{
	if (!t->use.moves) {
		finish_unproven(t, error);
		return;
	}
	t->record.owed &= (uint8_t)~RECORD_OWES_REWRITE;
	t->passphrase = false;
	if (target_send_files(t, BATCH_UNDO) < 0)
		target_finish(t, HC_RETRY, "CONFIG SET was not proven by a handshake");
}

/* ---- proof ---- */

static void on_bus_proved(void *data, const struct tls_chain *chain, enum stream_end end,
			  const char *error)
{
	struct target *t = data;
	char text[64];

	(void)end;
	if (chain && wanted_is_served(t->wanted, chain)) {
		target_settle(t, HC_OK);
		return;
	}
	if (chain)
		wanted_chain_format(chain, text, sizeof(text));
	target_finish(t, HC_RETRY,
		      "the new certificate is served, but not proven on the cluster bus, port %u: "
		      "%s%s",
		      server_bus_port(&t->server), chain ? "served is " : "", chain ? text : error);
}

static void took_proof(struct target *t)
{
	target_remember_served(t);
	target_remember_applied(t);
	if (t->config->bus && server_bus_port(&t->server))
		target_probe(t, PLACE_BUS, on_bus_proved);
	else
		target_settle(t, HC_OK);
}

static void prove(struct target *t, bool overlapped);

static void on_proved(void *data, const struct tls_chain *chain, enum stream_end end,
		      const char *error)
{
	struct target *t = data;

	(void)end;
	if (chain)
		t->served = *chain;
	t->shown = chain;
	if (control_busy(t->control))
		probe_destroy(steal(&t->probe)); /* the reply to CONFIG SET is still to come */
	else if (chain && wanted_is_served(t->wanted, chain))
		took_proof(t);
	else if (t->overlapped)
		prove(t, false);
	else
		fail_unproven(t, chain ? NULL : error);
}

static void prove(struct target *t, bool overlapped)
{
	t->overlapped = overlapped;
	t->shown = false;
	target_probe(t, PLACE_PORT, on_proved);
}

void target_prove(struct target *t)
{
	prove(t, true);
}

void target_await_proof(struct target *t)
{
	if (t->probe)
		return; /* it is still to come */
	if (t->shown && wanted_is_served(t->wanted, &t->served))
		took_proof(t);
	else
		prove(t, false);
}
