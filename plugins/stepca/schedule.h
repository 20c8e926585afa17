/*
 * stepca/schedule - when to renew, and how patient to be when it does not work
 *
 * All times are wall clock, all in milliseconds.
 */
#ifndef HC_STEPCA_SCHEDULE_H
#define HC_STEPCA_SCHEDULE_H

#include <stdint.h>

struct schedule {
	int64_t renew_at; /* HC_OPT_SHARE: a share of the lifetime, or a time before its end */
	int64_t jitter;	  /* HC_OPT_SHARE: up to that share of the lifetime, or time, earlier */
};

/*
 * When a certificate that was valid from `from` (not before it was issued) until `to` is due. The
 * jitter is drawn from its fingerprint: spread over certificates, the same each time it is asked.
 * A renew_at that is longer than two thirds of the lifetime, a share under 5%, and a jitter over a
 * quarter of what comes before are cut to that, so that no configuration makes a loop.
 */
int64_t schedule_due(const struct schedule *schedule, int64_t from, int64_t to,
		     const uint8_t fingerprint[static 32]);

/*
 * The longest wait before another try, for a certificate that ends at `to`: a tenth of what is
 * left, between a second and an hour; five minutes once it has expired.
 */
int64_t schedule_patience(int64_t to, int64_t now);

/*
 * The shortest wait before another try at what looks final: a quarter of what is left, between ten
 * seconds and an hour; five minutes once it has expired.
 */
int64_t schedule_reluctance(int64_t to, int64_t now);

/*
 * The wait before another try while the CA is away and somebody looks out for it (authority.h): a
 * quarter of what is left, between ten minutes and two hours, and two hours once it has expired,
 * up to a tenth of it off by chance. For a certificate of a day that makes fewer than 25 in a day.
 */
int64_t schedule_absence(int64_t to, int64_t now, uint16_t random);

#endif
