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

struct acme;
struct stepca;
struct task;

/* Orders a certificate for task->csr. */
void acme_begin(struct task *task);

/* The certificate is in place: the order is over. For publish.c. */
void acme_published(struct acme *acme);

/* For task_free(): drops it, and takes down what was put up for its challenges. Takes NULL. */
void acme_destroy(struct acme *acme);

/* Takes down what a crash has left, in the background. */
void acme_tidy(struct stepca *ca);

/* For the end of the instance, after its task has gone. */
void acme_finish(struct stepca *ca);

#endif
