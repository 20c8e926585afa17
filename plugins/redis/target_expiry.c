#include "redis/target_run.h"

#include "common/mem.h"
#include "common/text.h"

#include <string.h>

/*
 * The certificate that a server serves is watched for its end by an alarm on the wall clock: it
 * rings however the runs go, or where none is begun any more.
 */

/* One that is late already when it is first seen may be about to be replaced. */
#define GRACE_MS 5000

static bool is_newest(const struct target *t)
{
	return !t->wanted || wanted_is_served(t->wanted, &t->served);
}

static void warn(const struct target *t, int64_t now)
{
	const struct redis_config *c = t->config;
	char served[64], left[TEXT_TIME_SIZE];
	const char *why = is_newest(t) ? "nothing newer lies in the watch" : t->last_text;

	wanted_chain_format(&t->served, served, sizeof(served));
	text_duration(t->served.not_after - now, left);
	if (now < t->served.not_after)
		c->host->log(c->ctx, HC_LOG_WARNING,
			     "%s: the served certificate ends in %s (%s): %s", t->name, left,
			     served, why);
	else
		c->host->log(c->ctx, HC_LOG_ERROR, "%s: the served certificate has ended (%s): %s",
			     t->name, served, why);
}

static void on_expiry(void *data);

static void wind(struct target *t, int64_t at)
{
	const struct redis_config *c = t->config;

	c->host->alarm_remove(t->expiry);
	t->expiry = c->host->alarm_add(c->ctx, at, on_expiry, t);
}

static void on_expiry(void *data)
{
	struct target *t = data;
	int64_t now = t->config->host->now_wall();

	warn(t, now);
	t->config->host->alarm_remove(steal(&t->expiry));
	if (now < t->served.not_after)
		wind(t, t->served.not_after);
}

void target_watch_expiry(struct target *t)
{
	const struct tls_chain *c = &t->served;
	int64_t earliest = t->config->host->now_wall() + GRACE_MS;
	int64_t at = c->not_after - HC_SHARE_OF(t->config->warn_at, c->not_after - c->not_before);

	if (c->n == 0 || memcmp(t->watched, c->sha256[0], 32) == 0)
		return;
	memcpy(t->watched, c->sha256[0], 32);
	wind(t, at > earliest ? at : earliest);
}
