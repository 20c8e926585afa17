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
	TASK_ROOTS, /* only look after the `ca` file */
	TASK_RENEW, /* a new certificate by means of the old one */
	TASK_ENROL, /* a certificate by means of a one-time token */
};

struct task {
	uint32_t magic;
	struct stepca *ca;
	enum task_kind kind;
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

	struct ca_provisioner provisioner;
	EVP_PKEY *provisioner_key;
	struct acme *acme; /* an order over ACME; NULL: none */
	unsigned pages;	   /* of provisioners read so far */
	bool second_token; /* the first one was denied */

	char what[512];		   /* the request under way, for texts */
	char why[CA_WHY_SIZE];	   /* what is wrong */
	char earlier[CA_WHY_SIZE]; /* why the ways tried before did not work; "" at first */
};

/* Starts; it may end before this returns. job 0: in the background. */
void task_start(struct stepca *ca, enum task_kind kind, hc_job job);

/* Drops the instance's task, if any: without an end. */
void task_cancel(struct stepca *ca);

/* The two ends. The first: what was achieved. The second: task->why says what went wrong. */
void task_succeed(struct task *task, const char *format, ...) __attribute__((format(printf, 2, 3)));
void task_fail(struct task *task, enum ca_verdict verdict, int64_t retry_after);

/* task_fail() for an error of our own; negative errno. what: "cannot write /etc/…/redis.crt". */
void task_fail_errno(struct task *task, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Sets task->why. */
void task_say(struct task *task, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sends GET or, with a body ("" too), POST to url + path. fn gets the task. */
void task_send(struct task *task, struct http *http, const char *path, const char *body,
	       const char *bearer, http_fn fn);

/* ca_judge() of the reply to the last task_send(), into task->why. */
enum ca_verdict task_judge(struct task *task, const struct http_reply *reply);

/* A client with the roots we trust, showing our certificate where mutual is set. NULL: no memory.
 */
struct http *task_client(struct task *task, bool mutual);

/* Makes task->key of the configured type, on a thread where that takes long, then calls `then`. */
void task_make_key(struct task *task, void (*then)(struct task *task));

/* -- steps ---------------------------------------------------------------------------------- */

void roots_begin(struct task *task); /* ends in task_continue() */
void task_continue(struct task *task);
void renew_begin(struct task *task);
void enrol_begin(struct task *task);

/* Verifies what the CA sent, puts it in place, ends the task. how: "renewed over mTLS". */
void publish(struct task *task, const struct http_reply *reply, const char *how);

/* The same for a chain that was read already; it stays the caller's. */
void publish_chain(struct task *task, const STACK_OF(X509) * chain, const char *how);

#endif
