#include "redis/reply.h"
#include "redis/target_run.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define PASSWORD_MAX 1024

/* ---- ask: who are you, which files do you use? ---- */

/* The words of a question; the password's buffer is the caller's. */
static struct control_command command_of(const struct target *t, enum question q,
					 const char *auth[3])
{
	static const char *const hello[] = {"HELLO", "2", "SETNAME", "hotcert"};
	static const char *const dir[] = {"CONFIG", "GET", "dir"};
	static const char *const bind[] = {"CONFIG", "GET", "bind"};
	static const char *const port[] = {"CONFIG", "GET", "tls-port"};
	/* Not tls-*: that answers with the key's passphrase in clear text (6.2 and later). */
	static const char *const files[] = {"CONFIG", "GET", "tls-*-file"};

	switch (q) {
	case ASK_AUTH:
		return (struct control_command){t->config->username ? 3 : 2, auth};
	case ASK_HELLO:
		return (struct control_command){4, hello};
	case ASK_DIR:
		return (struct control_command){3, dir};
	case ASK_BIND:
		return (struct control_command){3, bind};
	case ASK_PORT:
		return (struct control_command){3, port};
	case ASK_FILES:
		break;
	}
	return (struct control_command){3, files};
}

static void choose_questions(struct target *t)
{
	t->n_asked = 0;
	if (!t->known && t->config->has_password)
		t->asked[t->n_asked++] = ASK_AUTH;
	if (!t->known) {
		t->asked[t->n_asked++] = ASK_HELLO;
		t->asked[t->n_asked++] = ASK_DIR;
		t->asked[t->n_asked++] = ASK_BIND;
	}
	t->asked[t->n_asked++] = ASK_FILES;
	t->asked[t->n_asked++] = ASK_PORT;
}

static int send_questions(struct target *t, const char *auth[3])
{
	struct control_command commands[CONTROL_BATCH_MAX];

	for (size_t i = 0; i < t->n_asked; i++)
		commands[i] = command_of(t, t->asked[i], auth);
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
		target_finish(t, HC_FAILED,
			      "this is a Sentinel, which cannot load a certificate while it runs: "
			      "restart it");
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

void target_take_replies(struct target *t, redisReply *const *replies, size_t n)
{
	bool fresh = !t->known;

	if (t->n_asked == 0) {
		target_take_set_reply(t, replies[0]);
		return;
	}
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
