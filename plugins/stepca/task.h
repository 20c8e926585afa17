/*
 * stepca/task - one piece of work with the CA, from its first request to its one end
 *
 * A task asks the CA for its roots, then renews or enrols. Each step ends by beginning the next one
 * or by task_succeed() or task_fail(), after which the task is gone: nothing may touch it then.
 */
#ifndef HC_STEPCA_TASK_H
#define HC_STEPCA_TASK_H

#include "stepca/acme.h"
#include "stepca/ca_api.h"
#include "stepca/pair.h"
#include "stepca/stepca.h"

#define TASK_MAGIC 0x7461736bU

enum task_kind {
	TASK_ROOTS,  /* only look after the `ca` file */
	TASK_RENEW,  /* a new certificate by means of the old one */
	TASK_ENROL,  /* a certificate by means of a one-time token */
	TASK_CHECK,  /* would enrolling work? a report */
	TASK_REVOKE, /* the certificate is revoked, then a new one enrolled */
};

struct task;

typedef void (*task_fn)(struct task *task);

/* A one-time token that is being got; see ott.h. */
struct task_ott {
	const char *path;
	char subject[256];
	void (*then)(struct task *task, const char *token);
};

struct task {
	uint32_t magic;
	struct stepca *ca;
	enum task_kind kind;
	bool by_hand;
	hc_job job;	  /* 0: nobody waits for its end */
	struct pair pair; /* what is on disk */

	struct http *bootstrap; /* verifies nothing: for one request, whose answer we verify */
	struct http *verified;	/* trusts the CA's roots */
	struct http *mutual;	/* shows our certificate too */
	X509_STORE *trust;	/* the CA's roots */

	EVP_PKEY *key; /* of the certificate to come */
	bool key_new;  /* it is not on disk yet */
	X509_REQ *csr;
	struct work *work;

	struct task_ott ott;
	struct ott_command *ott_command; /* under way */
	json_t *template_data;
	struct ca_provisioner provisioner;
	task_fn provisioner_found;
	EVP_PKEY *provisioner_key;
	struct acme *acme;  /* an order over ACME; NULL: none */
	unsigned pages;	    /* of provisioners read so far */
	bool second_token;  /* the first one was denied */
	bool roots_changed; /* the CA announced others than before */
	bool away;	    /* the last request reached nobody */

	int reason;	       /* TASK_REVOKE: ca_reason_code() */
	bool revoked;	       /* and that is done */
	struct report *report; /* TASK_CHECK */

	char what[512];		   /* the request under way, for texts */
	char why[CA_WHY_SIZE];	   /* what is wrong */
	char earlier[CA_WHY_SIZE]; /* why the ways tried before did not work; "" at first */
};

/* Starts; it may end before this returns. job 0: in the background. */
void task_start(struct stepca *ca, enum task_kind kind, hc_job job);

/* The same where a person asked for it: even of a CA that seems to be away. */
void task_start_by_hand(struct stepca *ca, enum task_kind kind, hc_job job);

/* The same for TASK_REVOKE. */
void task_start_revoking(struct stepca *ca, int reason, hc_job job);

/* Drops the instance's task, if any: without an end. */
void task_cancel(struct stepca *ca);

/* The two ends. The first: what was achieved. The second: task->why says what went wrong. */
void task_succeed(struct task *task, const char *format, ...) __attribute__((format(printf, 2, 3)));
void task_fail(struct task *task, enum ca_verdict verdict, int64_t retry_after);

/* The end of a check: the job's end and no more. */
void task_end(struct task *task, int32_t status, const char *text);

/* task_fail() for an error of our own; negative errno. what: "cannot write /etc/…/redis.crt". */
void task_fail_errno(struct task *task, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Keeps task->why for the text of a later end: another way is tried now. */
void task_note_failure(struct task *task);

/* Sets task->why. */
void task_say(struct task *task, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sends GET or, with a body ("" too), POST to url + path. fn gets the task. */
void task_send(struct task *task, struct http *http, const char *path, const char *body,
	       const char *bearer, http_fn fn);

/* ca_judge() of the reply to the last task_send(), into task->why. */
enum ca_verdict task_judge(struct task *task, const struct http_reply *reply);

/*
 * A client with the roots we trust: one that shows our certificate, where mutual is set, or one
 * that shares its connections with other instances. NULL: no memory.
 */
struct http *task_client(struct task *task, bool mutual);

/* Makes task->key of the configured type, on a thread where that takes long, then calls `then`. */
void task_make_key(struct task *task, task_fn then);

/* -- steps ---------------------------------------------------------------------------------- */

void roots_begin(struct task *task); /* ends in task_continue() */
void task_continue(struct task *task);
void renew_begin(struct task *task);
bool renew_is_mutual(const struct task *task); /* mTLS is how it begins */
void enrol_begin(struct task *task);

/* Verifies what the CA sent, puts it in place, ends the task. how: "renewed over mTLS". */
void publish(struct task *task, const struct http_reply *reply, const char *how);

/* The same for a chain that was read already; it stays the caller's. */
void publish_chain(struct task *task, const STACK_OF(X509) * chain, const char *how);
void revoke_begin(struct task *task);
int check_open(struct task *task); /* before its first step; -ENOMEM */
void check_begin(struct task *task);
/* One more line of the report. stage: what was looked at. */
void check_note(struct task *task, const char *stage, bool ok, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The end of a check that can't go on: task->why says why. */
void check_fail(struct task *task);

/* -- what task.c frees ------------------------------------------------------------------------ */

void ott_command_free(struct task *task);

#endif
