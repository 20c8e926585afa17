#include "redis/rollout_text.h"

#include "common/mem.h"

#include <stdio.h>

/* So many names are listed; of more, their number is said. */
#define NAMES_MAX 8

/* Which of the turns a list is made of; failed ones without the one that is told of first. */
static bool belongs(const struct turn *turn, enum turn_state state, const struct turn *told)
{
	if (state == TURN_WAITING)
		return turn->state == TURN_WAITING || turn->state == TURN_DUE;
	return turn->state == state && turn != told;
}

static void list_names(FILE *f, const char *what, const struct rollout *r, enum turn_state state,
		       const struct turn *told)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		if (!belongs(&r->turns[i], state, told))
			continue;
		if (n < NAMES_MAX)
			fprintf(f, "%s%s", n ? ", " : what, target_name(r->turns[i].target));
		n++;
	}
	if (n > NAMES_MAX)
		fprintf(f, " and %u more", n - NAMES_MAX);
}

/* The one to be told of: what stopped the rollout, else the first failure that another try may
 * mend, else the first. */
static const struct turn *worst(const struct rollout *r)
{
	const struct turn *found = r->stopped;

	for (uint32_t i = 0; i < r->n && !r->stopped; i++) {
		const struct turn *turn = &r->turns[i];

		if (turn->state != TURN_FAILED)
			continue;
		if (!found || (found->status != HC_RETRY && turn->status == HC_RETRY))
			found = turn;
	}
	return found;
}

/* HC_SAME where nothing had to be done anywhere. */
static int32_t success(const struct rollout *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->turns[i].status == HC_OK)
			return HC_OK;
	return HC_SAME;
}

static void tell_success(FILE *f, const struct rollout *r)
{
	char served[64];

	wanted_chain_format(&r->wanted->chain, served, sizeof(served));
	fprintf(f, "all %u serve %s%s", r->n, served, success(r) == HC_SAME ? " already" : "");
}

static void tell_failure(FILE *f, const struct rollout *r, const struct turn *told)
{
	fprintf(f, "%s: %s", target_name(told->target), target_last_text(told->target));
	list_names(f, "; failed as well: ", r, TURN_FAILED, told);
	list_names(f, "; done: ", r, TURN_DONE, NULL);
	list_names(f, "; not tried: ", r, TURN_WAITING, NULL);
}

char *rollout_result(const struct rollout *r, int32_t *ret_status)
{
	const struct turn *told = worst(r);
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	*ret_status = told ? told->status : success(r);
	if (told)
		tell_failure(f, r, told);
	else if (r->n == 1)
		fprintf(f, "%s", target_last_text(r->turns[0].target));
	else
		tell_success(f, r);
	fclose(f);
	return text;
}

char *rollout_report(const struct rollout *r, int32_t *ret_status)
{
	const struct turn *told = worst(r);
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	*ret_status = told ? told->status : HC_OK;
	fprintf(f, "looked at %u server%s, changed nothing", r->n, r->n == 1 ? "" : "s");
	for (uint32_t i = 0; i < r->n; i++)
		fprintf(f, "\n\n%s\n%s", target_name(r->turns[i].target),
			target_report(r->turns[i].target));
	fclose(f);
	return text;
}
