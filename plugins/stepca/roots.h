/*
 * stepca/roots - what roots.c and roots_file.c share
 */
#ifndef HC_STEPCA_ROOTS_H
#define HC_STEPCA_ROOTS_H

#include "stepca/task.h"

/* Adds a reference to a stack. -ENOMEM. */
int roots_add(STACK_OF(X509) * roots, X509 *cert);

/* One digest for all of them, in their order. -ENOMEM. */
int roots_digest(const STACK_OF(X509) * roots, uint8_t ret[static PEM_FINGERPRINT_LEN]);

/*
 * Puts those wanted into the `ca` file where they are missing, and takes those unwanted out, in one
 * rename. Others in it stay. Negative errno: nothing was changed.
 */
int roots_file_update(const struct store *store, const STACK_OF(X509) * wanted,
		      const STACK_OF(X509) * unwanted);

/* Takes those whose overlap is over out of what is known, and into a stack. -ENOMEM. */
int roots_retire(struct task *task, STACK_OF(X509) * unwanted);

#endif
