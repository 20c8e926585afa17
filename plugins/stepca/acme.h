/*
 * stepca/acme - a certificate over ACME (RFC 8555), as the plugin's other parts see it
 *
 * An order is one way to enrol: enrol.c makes key and request, acme_begin() does the rest, and ends
 * as every step of a task does, in publish_chain() or task_fail(). What must outlive a crash is
 * kept in the state: the account, an order that is under way, and what was put up for its
 * challenges.
 */
#ifndef HC_STEPCA_ACME_H
#define HC_STEPCA_ACME_H

#include <hotcert/plugin.h>
#include <stdbool.h>

struct acme;
struct stepca;
struct task;

/* Orders a certificate for task->csr. */
void acme_begin(struct task *task);

/*
 * For the check: what can be said without an order. Reports through check_note(), then calls
 * `then`; or ends the task as acme_begin() does.
 */
void acme_check(struct task *task, void (*then)(struct task *task));

/* The certificate is in place: the order is over. For publish.c. */
void acme_published(struct acme *acme);

/* For task_free(): drops it, and takes down what was put up for its challenges. Takes NULL. */
void acme_destroy(struct acme *acme);

/*
 * The order failed, and its job ends with this status. The CA is not asked again at once, just
 * because a file of the watch has changed: not within retry_after milliseconds where it told so,
 * nor within a minute where it has turned us down (-1), for CAs count failures.
 */
void acme_note_failure(struct stepca *ca, int32_t status, int64_t retry_after);

/* True where it is too early for a job with this snapshot; the job was ended then. */
bool acme_too_early(struct stepca *ca, uint64_t generation, hc_job job);

/* Takes down what a crash has left, in the background. */
void acme_tidy(struct stepca *ca);

/* For the end of the instance, after its task has gone. */
void acme_finish(struct stepca *ca);

#endif
