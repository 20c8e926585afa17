#include "engine/retry.h"

#include "base/log.h"
#include "base/str.h"
#include "engine/engine.h"
#include "model/state.h"

#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

#define HINT_MAX_MS 86400000

int64_t retry_delay(uint32_t attempts, int64_t min_ms, int64_t max_ms, int64_t hint_min_ms,
		    int64_t hint_max_ms, uint32_t random)
{
	int64_t delay = min_ms;

	for (uint32_t i = 1; i < attempts && delay < max_ms; i++)
		delay *= 2;
	if (delay > max_ms)
		delay = max_ms;
	delay -= delay / 4 * (random & 0xffff) / 0xffff;
	if (hint_max_ms >= 0 && delay > hint_max_ms)
		delay = hint_max_ms;
	if (hint_min_ms >= 0 && delay < hint_min_ms)
		delay = hint_min_ms;
	return delay;
}

static uint32_t random_u32(void)
{
	uint32_t value = 0;

	(void)!getrandom(&value, sizeof(value), GRND_NONBLOCK);
	return value;
}

static void add_text(uint8_t sums[32 * 2], const char *text)
{
	SHA256((const uint8_t *)text, strlen(text), sums + 32);
	SHA256(sums, 32 * 2, sums);
}

/* What is tried: the snapshot, with the section as it is. A person's change to either starts anew.
 */
static void tried_digest(const struct runner *r, const struct snapshot *s, uint8_t out[32])
{
	uint8_t sums[32 * 2];

	memset(sums, 0, sizeof(sums));
	for (uint32_t i = 0; i < s->pub.n_files; i++) {
		memcpy(sums + 32, hc_snapshot_file(&s->pub, i)->sha256, 32);
		SHA256(sums, sizeof(sums), sums);
	}
	for (size_t i = 0; i < r->config->n_entries; i++) {
		add_text(sums, r->config->entries[i].key);
		add_text(sums, r->config->entries[i].value);
	}
	memcpy(out, sums, 32);
}

static void retry_save(struct runner *r, const struct state_job *job)
{
	int e;

	if (!job && !r->persisted)
		return;
	e = state_set_job(r->instance->ctx->state_path, job);
	r->persisted = job != NULL;
	if (e < 0)
		log_warning("%s: cannot remember its tries in %s: %s", r->config->full,
			    r->instance->ctx->state_path, strerror(-e));
}

/* Returns the delay before the next try; *ret_at: when that is. */
static int64_t retry_count(struct runner *r, const struct job_result *result, int64_t *ret_at)
{
	struct state_job job = {.status = result->status};
	int64_t delay;

	r->attempts++;
	delay = retry_delay(r->attempts, r->config->retry_min_ms, r->config->retry_max_ms,
			    result->min_ms, result->max_ms, random_u32());
	job.attempts = r->attempts;
	job.retry_at = loop_now_wall() + delay;
	tried_digest(r, result->snapshot, job.digest);
	retry_save(r, &job);
	*ret_at = job.retry_at;
	return delay;
}

int64_t retry_later(struct runner *r, const struct job_result *result)
{
	int64_t delay = retry_count(r, result, &r->retry_at);

	runner_wind_retry(r, delay);
	return delay;
}

void retry_give_up(struct runner *r, const struct job_result *result)
{
	int64_t at;

	(void)retry_count(r, result, &at);
}

void retry_forget(struct runner *r)
{
	r->attempts = 0;
	r->retry_at = 0;
	retry_save(r, NULL);
}

/* A plugin's bound, a server's Retry-After for one, may be longer than retry_max. */
static int64_t max_wait(const struct config_instance *config)
{
	return config->retry_max_ms > HINT_MAX_MS ? config->retry_max_ms : HINT_MAX_MS;
}

bool retry_resume(struct runner *r)
{
	struct state_job job;
	uint8_t digest[32];
	int64_t wait;

	if (state_get_job(r->instance->ctx->state_path, &job) < 0)
		return false;
	r->persisted = true;
	tried_digest(r, r->watch->snapshot, digest);
	if (memcmp(digest, job.digest, sizeof(digest)) != 0)
		return false;
	r->attempts = job.attempts;
	wait = job.retry_at - loop_now_wall();
	if (wait <= 0 || wait > max_wait(r->config))
		return false; /* due, or the clock was set back */
	r->retry_at = job.retry_at;
	if (!r->message)
		r->message = str_format("tried %u time%s before the restart", job.attempts,
					job.attempts == 1 ? "" : "s");
	runner_wind_retry(r, wait);
	return true;
}
