#include "redis/target_run.h"

#include "common/mem.h"
#include "redis/preflight.h"
#include "redis/reply.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define PASSPHRASE_MAX 1024

/* ---- before the server is touched ---- */

/* Would this daemon itself be able to connect again? Nobody else who verifies would, if not. */
static bool locks_out(struct target *t, char *why, size_t why_size)
{
	if (t->addr.kind != STREAM_TLS || !t->tls.verify)
		return false;
	/* Not t->tls.context: a connection that was kept has the roots of the time when it was
	 * made. */
	return wanted_check(t->wanted, t->config->context, t->tls.name, why, why_size) == -EINVAL;
}

static int fit(struct target *t, char *why, size_t why_size)
{
	struct view view;
	int r;

	view_init(&view, t->peer.pid);
	r = preflight_check(t->wanted, &t->server, &t->use, &view, t->config->host->now_wall(), why,
			    why_size);
	view_finish(&view);
	return r;
}

void target_change(struct target *t)
{
	char why[1000];
	int r;

	t->touched = true;
	if (locks_out(t, why, sizeof(why))) {
		target_finish(t, HC_FAILED,
			      "nothing was changed: with the new certificate the server would "
			      "not be accepted as %s: %s; see server_name and ca_file",
			      t->tls.name, why);
		return;
	}
	r = fit(t, why, sizeof(why));
	if (r < 0) {
		target_finish(t, r == -ENOENT ? HC_RETRY : HC_FAILED, "nothing was changed: %s",
			      why);
		return;
	}
	target_note(t, "preflight    in date, accepted, readable as far as can be known");
	if (t->goal == TARGET_CHECK)
		target_finish(t, HC_OK, "would be reloaded by CONFIG SET");
	else if (t->goal == TARGET_LOOK) {
		t->due = DUE_SET;
		target_finish(t, TARGET_DUE, "waits for its turn");
	} else
		target_set(t);
}

/* ---- set: load the files ---- */

static int send_files(struct target *t, enum target_batch batch, const char *passphrase)
{
	struct files_order order = {
		.config = t->config->config_command,
		.server = &t->server,
		.wanted = t->wanted,
		.use = &t->use,
		.passphrase = passphrase,
	};
	struct files_set set_command;
	struct control_command command;

	if (batch == BATCH_UNDO)
		files_undo_command(&order, &set_command);
	else if (files_set_command(&order, &set_command) < 0)
		return -ENAMETOOLONG;
	command = (struct control_command){set_command.argc, set_command.argv};
	t->batch = batch;
	return control_send(t->control, &command, 1, t->config->reply_timeout);
}

int target_send_files(struct target *t, enum target_batch batch)
{
	const struct redis_config *c = t->config;
	char passphrase[PASSPHRASE_MAX];
	int64_t r;

	if (!t->passphrase)
		return send_files(t, batch, NULL);
	r = c->host->secret_read(c->ctx, "key_password_file", passphrase, sizeof(passphrase));
	if (r >= 0)
		r = send_files(t, batch, passphrase);
	OPENSSL_cleanse(passphrase, sizeof(passphrase));
	return (int)r;
}

/* Written down first: a crash in the middle must not lose it. */
static void owe(struct target *t)
{
	const struct redis_config *c = t->config;
	uint8_t owed = (uint8_t)((c->kill_clients ? RECORD_OWES_KILL : 0) |
				 (c->rewrite && t->use.moves ? RECORD_OWES_REWRITE : 0));

	if ((t->record.owed | owed) == t->record.owed)
		return;
	t->record.owed |= owed;
	t->unsaved = true;
	target_put(t);
	config_save(t->config, true);
}

void target_set(struct target *t)
{
	int r;

	t->touched = true;
	owe(t);
	r = target_send_files(t, BATCH_SET);
	if (r < 0) {
		target_finish(t, HC_RETRY, "CONFIG SET was not sent: %s", strerror(-r));
		return;
	}
	/*
	 * The server, which has one thread for both, accepts this connection after it is done with
	 * CONFIG SET, so with the new context; where it was faster the handshake shows the old
	 * certificate and is done again.
	 */
	target_prove(t);
}

/* ---- the reply ---- */

/* The server's words are generic: what else it reads, and who may read the key, where the server is
 * at a unix socket. */
static void finish_refused(struct target *t, const redisReply *reply)
{
	const char *client_cert = t->server.files[SERVER_CLIENT_CERT];
	const struct wanted *w = t->wanted;
	char text[400], more[400] = "";

	reply_explain(reply, "", "", text, sizeof(text));
	if (client_cert && *client_cert && !t->use.client_pair)
		snprintf(more, sizeof(more), "; it has to be able to load %.300s, too",
			 client_cert);
	if (t->peer.pid == 0 || t->peer.uid == 0)
		target_finish(t, HC_FAILED, "CONFIG SET: %s%s", text, more);
	else
		target_finish(t, HC_FAILED,
			      "CONFIG SET: %s%s (%s has mode %04o and owner %u, the server runs as "
			      "user %u)",
			      text, more, w->key.ours, w->key_mode, w->key_uid, t->peer.uid);
}

/* The passphrase shows in the slow log of 6.2 and 7.0, so it is sent only where the server cannot
 * do without. */
static bool try_passphrase(struct target *t)
{
	if (!t->config->has_key_password || t->passphrase)
		return false;
	probe_destroy(steal(&t->probe));
	t->passphrase = true;
	target_set(t);
	return true;
}

static void take_refusal(struct target *t, enum reply_kind kind, const redisReply *reply)
{
	if (kind == REPLY_REFUSED && try_passphrase(t))
		return;
	t->record.owed = 0; /* nothing was loaded */
	t->unsaved = true;
	if (kind == REPLY_REFUSED)
		finish_refused(t, reply);
	else if (kind == REPLY_NO_CONFIG && t->config->fallback)
		target_fall_back(t, "CONFIG SET is renamed or blocked");
	else
		target_finish_reply(t, "CONFIG SET", reply);
}

void target_take_set_reply(struct target *t, const redisReply *reply)
{
	enum reply_kind kind = reply_classify(reply);

	if (kind == REPLY_FINE)
		target_await_proof(t);
	else
		take_refusal(t, kind, reply);
}
