/*
 * stepca/ott - one-time tokens, from wherever the configuration says
 *
 * One token a try: the CA takes each once, and one that was refused is spent as well.
 */
#ifndef HC_STEPCA_OTT_H
#define HC_STEPCA_OTT_H

#include "stepca/task.h"

/* The token, which lives as long as the call. */
typedef void (*ott_fn)(struct task *task, const char *token);

/*
 * Gets a fresh token for one request, bound to task->csr where there is one, then calls `then`; or
 * task_fail(). path: "/1.0/sign"; subject: what the token is about, copied.
 */
void ott_get(struct task *task, const char *path, const char *subject, ott_fn then);

/* True where asking again gives another token: so not with one that lies in a file. */
bool ott_renewable(const struct task *task);

/* Forgets what was learned for the last token: the provisioner's key may have changed. */
void ott_forget(struct task *task);

/* Adds to task->why what a person needs to compare with the CA's log: it tells the client nothing.
 */
void ott_explain_denial(struct task *task);

/* -- provisioner.c ----------------------------------------------------------------------------- */

/* Finds the configured provisioner, of the type that goes with the credential: task->provisioner.
 */
void provisioner_find(struct task *task, task_fn then);

/* Opens its key with the password: task->provisioner_key. */
void provisioner_open(struct task *task, task_fn then);

/* -- ott_command.c ------------------------------------------------------------------------------
 */

/* Runs token_command and gives what it prints to ott_give(). */
void ott_run_command(struct task *task);

/* Ends ott_get(): checks that it is a token and passes it on. source: for texts. */
void ott_give(struct task *task, char *text, const char *source);

#endif
