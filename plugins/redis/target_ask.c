#include "redis/reply.h"
#include "redis/target_run.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define PASSWORD_MAX 1024

/* ---- ask: who are you, which files do you use? ---- */

/* What CONFIG GET is asked for. Not tls-*: that answers with the key's passphrase in clear text
 * (6.2 and later). */
static const char *const parameters[] = {
	[ASK_DIR] = "dir",
	[ASK_BIND] = "bind",
	[ASK_FILES] = "tls-*-file",
	[ASK_PORT] = "tls-port",
	[ASK_TLS_CLUSTER] = "tls-cluster",
	[ASK_CLUSTER_PORT] = "cluster-port",
};

/* The words of a question; those of CONFIG GET are put into words, the password's are the
 * caller's. */
static struct control_command command_of(const struct target *t, enum question q,
					 const char *words[3], const char *auth[3])
{
	static const char *const hello[] = {"HELLO", "2", "SETNAME", "hotcert"};

	if (q == ASK_AUTH)
		return (struct control_command){t->config->username ? 3 : 2, auth};
	if (q == ASK_HELLO)
		return (struct control_command){4, hello};
	words[0] = t->config->config_command;
	words[1] = "GET";
	words[2] = parameters[q];
	return (struct control_command){3, words};
}

static void choose_questions(struct target *t)
{
	t->n_asked = 0;
	if (!t->known && t->config->has_password)
		t->asked[t->n_asked++] = ASK_AUTH;
	t->asked[t->n_asked++] = ASK_HELLO; /* each time: after a failover the role is another */
	if (!t->known) {
		t->asked[t->n_asked++] = ASK_DIR;
		t->asked[t->n_asked++] = ASK_BIND;
	}
	t->asked[t->n_asked++] = ASK_FILES;
	t->asked[t->n_asked++] = ASK_PORT;
	if (!t->config->bus)
		return;
	t->asked[t->n_asked++] = ASK_TLS_CLUSTER;
	t->asked[t->n_asked++] = ASK_CLUSTER_PORT;
}

static int send_questions(struct target *t, const char *auth[3])
{
	struct control_command commands[CONTROL_BATCH_MAX];
	const char *words[CONTROL_BATCH_MAX][3];

	for (size_t i = 0; i < t->n_asked; i++)
		commands[i] = command_of(t, t->asked[i], words[i], auth);
	t->batch = BATCH_ASK;
	return control_send(t->control, commands, t->n_asked, t->config->reply_timeout);
}

/* The password is read for each connection, and wiped here. */
static int ask_with_password(struct target *t)
{
	const struct redis_config *c = t->config;
	char password[PASSWORD_MAX];
	const char *auth[3] = {"AUTH", c->username ? c->username : password, password};
	int64_t r = c->host->secret_read(c->ctx, "password_file", password, sizeof(password));

	if (r >= 0)
		r = send_questions(t, auth);
	OPENSSL_cleanse(password, sizeof(password));
	return (int)r;
}

void target_ask(struct target *t)
{
	int r;

	choose_questions(t);
	server_forget_config(&t->server);
	r = t->asked[0] == ASK_AUTH ? ask_with_password(t) : send_questions(t, NULL);
	if (r == -ENOMEM)
		target_finish(t, HC_RETRY, "out of memory");
	else if (r < 0)
		target_finish(t, HC_FAILED, "password_file cannot be read: %s", strerror(-r));
}

/* Whether the run cannot go on without this answer. */
static bool needed(enum question q, enum reply_kind kind)
{
	return q == ASK_AUTH || q == ASK_FILES || q == ASK_PORT || kind == REPLY_NOAUTH;
}

/* A Sentinel knows neither CONFIG nor a reload of its own (up to Redis 8; redis#12028). */
static void finish_refused(struct target *t, enum question q, const redisReply *reply)
{
	if (strcmp(t->server.mode, "sentinel") == 0)
		target_fall_back(t, "this is a Sentinel, which cannot load a certificate while it "
				    "runs: restart it, or set fallback_command");
	else if (reply_classify(reply) == REPLY_NO_CONFIG && t->config->fallback)
		target_fall_back(t, "CONFIG is renamed or blocked");
	else
		target_finish_reply(t, q == ASK_AUTH ? "AUTH" : "CONFIG GET", reply);
}

/* Takes one answer. False: the run has ended. */
static bool take_answer(struct target *t, enum question q, const redisReply *reply)
{
	const struct redis_config *c = t->config;
	enum reply_kind kind = reply_classify(reply);

	if (q == ASK_AUTH && kind == REPLY_NO_PASSWORD) {
		c->host->log(c->ctx, HC_LOG_WARNING,
			     "%s: the server asks for no password: password_file is not needed",
			     t->name);
		return true;
	}
	if (kind != REPLY_FINE && needed(q, kind)) {
		finish_refused(t, q, reply);
		return false;
	}
	if (kind != REPLY_FINE)
		return true;
	if (q == ASK_HELLO)
		server_take_hello(&t->server, reply);
	else if (server_take_config(&t->server, reply) < 0) {
		target_finish(t, HC_RETRY, "out of memory");
		return false;
	}
	return true;
}

static void take_answers(struct target *t, redisReply *const *replies, size_t n)
{
	bool fresh = !t->known;

	for (size_t i = 0; i < n; i++)
		if (!take_answer(t, t->asked[i], replies[i]))
			return;
	if (n < t->n_asked) {
		target_finish_reply(t, "CONFIG GET", replies[n - 1]);
		return;
	}
	t->known = true;
	target_judge(t, fresh);
}

void target_take_replies(struct target *t, redisReply *const *replies, size_t n)
{
	switch (t->batch) {
	case BATCH_ASK:
		take_answers(t, replies, n);
		break;
	case BATCH_SET:
		target_take_set_reply(t, replies[0]);
		break;
	case BATCH_UNDO:
		target_take_undo_reply(t, replies[0]);
		break;
	case BATCH_SETTLE:
		target_take_settled(t, replies, n);
		break;
	}
}
