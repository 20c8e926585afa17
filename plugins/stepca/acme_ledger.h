/*
 * stepca/acme_ledger - what is put up for challenges, and has to be taken down again
 *
 * Each DNS record and each file is noted in the state before it is put up, and crossed out once it
 * has been taken down: so none stays, whatever ends the order, be it a crash.
 */
#ifndef HC_STEPCA_ACME_LEDGER_H
#define HC_STEPCA_ACME_LEDGER_H

#include <jansson.h>
#include <stdbool.h>

struct acme_hook;
struct stepca;

struct acme_ledger {
	json_t *entries; /* array of ["dns", RECORD, VALUE] and ["file", PATH]; NULL: not loaded */
	struct acme_hook *hook; /* taking down the first entry */
	bool full;		/* the state has no room for all of it; said once */
	void (*settled)(void *data);
	void *data;
};

/* Notes a DNS record or a file, before it is there. -ENOMEM, or what state_set() says. */
int acme_ledger_add_record(struct stepca *ca, const char *record, const char *value);
int acme_ledger_add_file(struct stepca *ca, const char *path);

/* Takes all of it down, one after the other, then calls settled (NULL: nothing), perhaps at once.
 */
void acme_ledger_settle(struct stepca *ca, void (*settled)(void *data), void *data);

/* Nobody waits for it any more. */
void acme_ledger_forget_waiter(struct stepca *ca);

/* The instance ends: what is not taken down yet stays noted. */
void acme_ledger_finish(struct stepca *ca);

#endif
