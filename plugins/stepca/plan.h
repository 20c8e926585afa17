/*
 * stepca/plan - what a snapshot asks for
 */
#ifndef HC_STEPCA_PLAN_H
#define HC_STEPCA_PLAN_H

#include "stepca/schedule.h"

#include <hotcert/plugin.h>
#include <stdbool.h>

enum plan_need {
	PLAN_NOTHING, /* all is well until plan.due_at */
	PLAN_ROOTS,   /* the pair is, but the `ca` file is missing or broken */
	PLAN_RENEW,
	PLAN_ENROL,
	PLAN_WAIT, /* the certificate is not valid before plan.due_at: a clock is wrong */
};

/* What else the decision depends on. */
struct plan_facts {
	const struct schedule *schedule;
	int64_t now;	   /* wall clock */
	int64_t issued_at; /* when we issued it, as far as we know; 0: we don't */
	bool asked_anew;   /* the configuration asks for another certificate than this one */
};

struct plan {
	enum plan_need need;
	int64_t due_at;		    /* wall clock; 0: unknown */
	const struct hc_cert *leaf; /* of the snapshot; NULL: none */
};

/* The file in a role of the watch, or NULL. */
const struct hc_file *plan_role(const struct hc_snapshot *snapshot, const char *name);

struct plan plan_make(const struct hc_snapshot *snapshot, const struct plan_facts *facts);

#endif
