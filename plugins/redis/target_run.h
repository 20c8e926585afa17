/*
 * redis/target_run - a target from inside, and the steps of its run
 *
 *   connect -> ask -> judge -> look -> set -> prove -> settle
 *                  \-> fall back (what cannot be reloaded)
 *
 * target.c holds the connection and the ends of a run; target_ask.c, target_look.c, target_set.c,
 * target_prove.c, target_settle.c and target_fallback.c are its steps; target_expiry.c warns.
 */
#ifndef HC_REDIS_TARGET_RUN_H
#define HC_REDIS_TARGET_RUN_H

#include "common/tail.h"
#include "redis/control.h"
#include "redis/files.h"
#include "redis/probe.h"
#include "redis/record.h"
#include "redis/server.h"
#include "redis/target.h"
#include "redis/view.h"

enum question {
	ASK_AUTH,
	ASK_HELLO,
	ASK_DIR,
	ASK_BIND,
	ASK_FILES,
	ASK_PORT,
	ASK_TLS_CLUSTER,
	ASK_CLUSTER_PORT,
};

/* Whose replies are awaited. */
enum target_batch {
	BATCH_ASK,
	BATCH_SET,
	BATCH_UNDO,
	BATCH_SETTLE,
};

/* Where a handshake looks. */
enum target_place {
	PLACE_PORT,
	PLACE_BUS,
};

enum target_due {
	DUE_NOTHING,
	DUE_SET,
	DUE_FALLBACK,
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
	struct server server;
	struct tls_chain proven; /* seen served while the connection stood; n 0: nothing */
	uint8_t pins[2][32];
	struct ucred peer; /* of a unix socket; pid 0: not known */
	bool known;	   /* server is that of the connection */

	/* the run under way */
	bool reused;	 /* it began on a kept connection, which may have died unnoticed */
	bool overlapped; /* the handshake began while CONFIG SET ran */
	bool shown;	 /* the handshake that proves has ended well; see served */
	bool touched;
	bool keep;	 /* the connection, whatever the end of the run */
	bool passphrase; /* sent along with CONFIG SET */
	bool patience;	 /* what it failed for is mended by people alone */
	struct files_use use;
	target_fn fn; /* NULL: none */
	void *data;
	const struct wanted *wanted;
	struct probe *probe;
	hc_child *child; /* the fallback command; NULL: none */
	struct tail *tail;
	hc_timer *again; /* until the next look at a server that is being restarted */
	int64_t give_up; /* monotonic */
	size_t n_asked;
	enum question asked[CONTROL_BATCH_MAX];
	enum target_batch batch;
	enum target_goal goal;

	/* what is known of it */
	enum target_due due; /* found by a look */
	int32_t last_status;
	int64_t last_at; /* wall clock, milliseconds; 0: never */
	struct tls_chain served;
	hc_alarm *expiry;    /* NULL: none is to come */
	uint8_t watched[32]; /* the leaf that it is set for */
	struct record record;
	bool unsaved;
	char last_text[1400];
	char *report; /* of a check; NULL before the first one */
};

/* Asks the server what it is; the rest follows. */
void target_ask(struct target *t);
void target_take_replies(struct target *t, redisReply *const *replies, size_t n);

/* The server has said what it is; fresh: on a connection made for this run. */
void target_judge(struct target *t, bool fresh);
/* Begins a handshake. */
void target_probe(struct target *t, enum target_place place, probe_fn fn);
/* Keeps what a handshake has shown, for pins and for what a restart need not do again. */
void target_remember_served(struct target *t);
void target_remember_applied(struct target *t);
/* Warns in time where what is served is not renewed. */
void target_watch_expiry(struct target *t);

/* The file's certificate is not served, or other files have changed: preflight, then the change. */
void target_change(struct target *t);
/* The change itself. */
void target_set(struct target *t);
void target_take_set_reply(struct target *t, const redisReply *reply);
/* Sends one of the commands that files.h makes. */
int target_send_files(struct target *t, enum target_batch batch);

/* The handshake that proves CONFIG SET, begun beside it. */
void target_prove(struct target *t);
/* CONFIG SET has said OK: what proves it may be there already, or has to begin once more. */
void target_await_proof(struct target *t);
void target_take_undo_reply(struct target *t, const redisReply *reply);

/* What is wanted is served: what is still to be done, and the end. status: HC_OK or HC_SAME. */
void target_settle(struct target *t, int32_t status);
void target_take_settled(struct target *t, redisReply *const *replies, size_t n);

/* The server cannot be reloaded, for this reason: fallback_command, or the end. */
void target_fall_back(struct target *t, const char *reason);
void target_run_fallback(struct target *t);
void target_drop_fallback(struct target *t);

/* Closes the connection and forgets what was known by it. */
void target_disconnect(struct target *t);

/* Ends the run. A failure drops the connection: the next run begins anew. */
void target_finish(struct target *t, int32_t status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Ends it for an error reply. what: the command that was refused. */
void target_finish_reply(struct target *t, const char *what, const redisReply *reply);
/* Ends it for the end of a connection, or begins anew where a kept one had died. */
void target_finish_end(struct target *t, enum stream_end end, const char *error);

/* Adds a line to a check's report. */
void target_note(struct target *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
