/*
 * redis/target_run - a target from inside, and the steps of its run
 *
 *   connect -> ask -> judge -> look -> set -> prove
 *
 * target.c holds the connection and the ends of a run, target_ask.c the questions and their
 * answers, target_run.c the rest.
 */
#ifndef HC_REDIS_TARGET_RUN_H
#define HC_REDIS_TARGET_RUN_H

#include "redis/control.h"
#include "redis/files.h"
#include "redis/probe.h"
#include "redis/record.h"
#include "redis/server.h"
#include "redis/target.h"

enum question {
	ASK_AUTH,
	ASK_HELLO,
	ASK_DIR,
	ASK_BIND,
	ASK_FILES,
	ASK_PORT,
};

#define TARGET_REPORT_SIZE 4096

struct target {
	unsigned magic;
	const struct redis_config *config;
	const char *name;
	struct stream_addr addr;

	/* the connection, kept between runs */
	struct control *control;
	struct tls_options tls;
	uint8_t pins[2][32];
	bool known; /* server is that of the connection */
	struct server server;
	struct tls_chain proven; /* seen served while the connection stood; n 0: nothing */

	/* the run under way */
	target_fn fn; /* NULL: none */
	void *data;
	const struct wanted *wanted;
	bool dry;
	bool reused; /* it began on a kept connection, which may have died unnoticed */
	enum question asked[CONTROL_BATCH_MAX];
	size_t n_asked; /* 0: the batch under way is CONFIG SET */
	struct files_use use;
	struct probe *probe;
	bool overlapped; /* the probe connected while CONFIG SET ran */

	/* what is known of it */
	struct tls_chain served;
	struct record record;
	bool unsaved;
	int32_t last_status;
	int64_t last_at; /* wall clock, milliseconds; 0: never */
	char last_text[1024];
	char *report; /* of a dry run; NULL before the first one */
};

/* Asks the server what it is; the rest follows. */
void target_ask(struct target *t);
void target_take_replies(struct target *t, redisReply *const *replies, size_t n);

/* The server has said what it is; fresh: on a connection made for this run. */
void target_judge(struct target *t, bool fresh);
void target_take_set_reply(struct target *t, const redisReply *reply);

/* Ends the run. A failure drops the connection: the next run begins anew. */
void target_finish(struct target *t, int32_t status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Ends it for an error reply. what: the command that was refused. */
void target_finish_reply(struct target *t, const char *what, const redisReply *reply);
/* Ends it for the end of a connection, or begins anew where a kept one had died. */
void target_finish_end(struct target *t, enum stream_end end, const char *error);

/* Adds a line to a dry run's report. */
void target_note(struct target *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
