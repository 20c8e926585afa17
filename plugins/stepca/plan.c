#include "stepca/plan.h"

#include <string.h>

const struct hc_file *plan_role(const struct hc_snapshot *snapshot, const char *name)
{
	for (uint32_t i = 0; i < snapshot->n_files; i++)
		if (strcmp(hc_snapshot_file(snapshot, i)->role, name) == 0)
			return hc_snapshot_file(snapshot, i);
	return NULL;
}

static bool usable(const struct hc_file *file)
{
	return file && (file->state == HC_STATE_WHOLE || file->state == HC_STATE_EXPIRED);
}

struct plan plan_make(const struct hc_snapshot *snapshot, const struct plan_facts *facts)
{
	const struct hc_file *cert = plan_role(snapshot, "cert"), *ca = plan_role(snapshot, "ca");
	struct plan plan = {.need = PLAN_ENROL};
	int64_t from;

	if (!usable(cert) || cert->n_certs == 0 || !usable(plan_role(snapshot, "key")))
		return plan;
	plan.leaf = hc_file_cert(cert, 0);
	/* A CA dates certificates back by a minute or so, which counts when they live for few. */
	from = facts->issued_at > plan.leaf->not_before ? facts->issued_at : plan.leaf->not_before;
	plan.due_at = schedule_due(facts->schedule, from, plan.leaf->not_after, plan.leaf->sha256);
	if (facts->now < plan.leaf->not_before) {
		plan.need = PLAN_WAIT;
		plan.due_at = plan.leaf->not_before;
	} else if (facts->asked_anew) {
		plan.need = PLAN_ENROL;
	} else if (facts->now >= plan.due_at) {
		plan.need = PLAN_RENEW;
	} else {
		plan.need = ca && !usable(ca) ? PLAN_ROOTS : PLAN_NOTHING;
	}
	return plan;
}
