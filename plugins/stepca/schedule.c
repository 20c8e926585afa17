#include "stepca/schedule.h"

#include <hotcert/plugin.h>
#include <string.h>

#define HOUR ((int64_t)3600 * 1000)
#define AFTER_EXPIRY ((int64_t)5 * 60 * 1000)

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* How long before the end. A time that leaves less than a third of the lifetime is cut to that. */
static int64_t time_before_end(int64_t renew_at, int64_t lifetime)
{
	int64_t before = HC_SHARE_OF(renew_at, lifetime);

	return clamp(before, 0, renew_at < 0 ? lifetime / 20 * 19 : lifetime / 3 * 2);
}

int64_t schedule_due(const struct schedule *schedule, int64_t from, int64_t to,
		     const uint8_t fingerprint[static 32])
{
	int64_t lifetime = to > from ? to - from : 0;
	int64_t before = time_before_end(schedule->renew_at, lifetime);
	int64_t jitter =
		schedule->jitter < 0 ? lifetime / 10000 * -schedule->jitter : schedule->jitter;
	uint32_t drawn;

	memcpy(&drawn, fingerprint, sizeof(drawn));
	jitter = clamp(jitter, 0, (lifetime - before) / 4);
	return to - before - (int64_t)((double)jitter * drawn / UINT32_MAX);
}

int64_t schedule_patience(int64_t to, int64_t now)
{
	return now >= to ? AFTER_EXPIRY : clamp((to - now) / 10, 1000, HOUR);
}

int64_t schedule_reluctance(int64_t to, int64_t now)
{
	return now >= to ? AFTER_EXPIRY : clamp((to - now) / 4, 10000, HOUR);
}

int64_t schedule_absence(int64_t to, int64_t now, uint16_t random)
{
	int64_t wait = now >= to ? 2 * HOUR : clamp((to - now) / 4, HOUR / 6, 2 * HOUR);

	return wait - wait / 10 * random / 65536;
}
