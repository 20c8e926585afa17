#include "redis/target_run.h"

#include "redis/reply.h"

/*
 * What is to follow on a change: clients that hold the old keys' sessions are disconnected, and
 * changed paths are written to the server's configuration file.
 */

static void finish_settled(struct target *t, int32_t status, const char *more)
{
	char text[64];

	wanted_chain_format(&t->served, text, sizeof(text));
	target_finish(t, status, "serves %s%s%s", text, status == HC_SAME ? " already" : "", more);
}

static size_t owed_commands(const struct target *t, struct control_command commands[3],
			    const char *rewrite[2])
{
	static const char *const normal[] = {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"};
	static const char *const pubsub[] = {"CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"};
	size_t n = 0;

	rewrite[0] = t->config->config_command;
	rewrite[1] = "REWRITE";
	if (t->record.owed & RECORD_OWES_KILL) {
		commands[n++] = (struct control_command){6, normal};
		commands[n++] = (struct control_command){6, pubsub};
	}
	if (t->record.owed & RECORD_OWES_REWRITE)
		commands[n++] = (struct control_command){2, rewrite};
	return n;
}

void target_settle(struct target *t, int32_t status)
{
	struct control_command commands[3];
	const char *rewrite[2];
	size_t n = owed_commands(t, commands, rewrite);

	if (n == 0) {
		finish_settled(t, status, "");
		return;
	}
	if (t->goal == TARGET_CHECK) {
		finish_settled(t, status, ", CLIENT KILL or CONFIG REWRITE still to be done");
		return;
	}
	t->batch = BATCH_SETTLE;
	if (control_send(t->control, commands, n, t->config->reply_timeout) < 0)
		target_finish(t, HC_RETRY, "out of memory");
}

/* The first reply that is an error; NULL: none. */
static const redisReply *first_error(redisReply *const *replies, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (replies[i]->type == REDIS_REPLY_ERROR)
			return replies[i];
	return NULL;
}

void target_take_settled(struct target *t, redisReply *const *replies, size_t n)
{
	bool kills = t->record.owed & RECORD_OWES_KILL;
	bool rewrites = t->record.owed & RECORD_OWES_REWRITE;
	size_t n_kills = kills ? 2 : 0;
	const redisReply *error = first_error(replies, n < n_kills ? n : n_kills);
	char more[128] = "";

	if (error) {
		target_finish_reply(t, "the new certificate is served, but CLIENT KILL", error);
		return;
	}
	t->record.owed &= (uint8_t)~RECORD_OWES_KILL;
	t->unsaved = true;
	error = first_error(replies, n);
	if (error) {
		target_finish_reply(t, "the new certificate is served, but CONFIG REWRITE", error);
		return;
	}
	t->record.owed = 0;
	if (kills)
		snprintf(more, sizeof(more), "; %lld clients were disconnected",
			 replies[0]->integer + replies[1]->integer);
	if (rewrites)
		snprintf(more + strlen(more), sizeof(more) - strlen(more),
			 "; the server's configuration file was rewritten");
	finish_settled(t, HC_OK, more);
}
