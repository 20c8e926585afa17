/*
 * When to renew, how patient to be, and what a snapshot asks for
 */
#include "stepca/plan.h"
#include "stepca/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define FROM (1800000000 * SECOND)

static const uint8_t low[32] = {0};
static const uint8_t high[32] = {0xff, 0xff, 0xff, 0xff};

static int64_t due(int64_t renew_at, int64_t jitter, int64_t lifetime, const uint8_t *fingerprint)
{
	const struct schedule schedule = {renew_at, jitter};

	return schedule_due(&schedule, FROM, FROM + lifetime, fingerprint) - FROM;
}

static void a_share_and_a_time_before_the_end(void **state)
{
	(void)state;
	assert_int_equal(due(-6600, 0, 24 * HOUR, low), 24 * HOUR * 66 / 100);
	assert_int_equal(due(-9950, 0, 24 * HOUR, low), 24 * HOUR / 1000 * 995);
	assert_int_equal(due(8 * HOUR, 0, 24 * HOUR, low), 16 * HOUR);
	assert_int_equal(due(-6600, 0, 60 * SECOND, high), 39600);
}

static void jitter_comes_earlier_and_from_the_fingerprint(void **state)
{
	(void)state;
	assert_int_equal(due(-6600, -500, 1000 * SECOND, low), 660 * SECOND);
	assert_int_equal(due(-6600, -500, 1000 * SECOND, high), 610 * SECOND);
	assert_int_equal(due(-6600, MINUTE, 1000 * SECOND, high), 600 * SECOND);
	assert_int_equal(due(-6600, -500, 1000 * SECOND, high),
			 due(-6600, -500, 1000 * SECOND, high));
}

/* Complaint 3 of the step CLI's users: a daemon that renews every four seconds. */
static void no_setting_makes_a_loop(void **state)
{
	(void)state;
	assert_int_equal(due(8 * HOUR, 0, HOUR, low), 20 * MINUTE);
	assert_int_equal(due(-1, 0, 1000 * SECOND, low), 50 * SECOND);
	assert_true(due(8 * HOUR, 30 * 24 * HOUR, HOUR, high) >= 15 * MINUTE);
	assert_true(due(-6600, -10000, HOUR, high) >= 29 * MINUTE);
	assert_int_equal(due(-6600, -500, 0, high), 0);
	assert_int_equal(due(-6600, -500, -HOUR, high), -HOUR);
}

static void patience_shrinks_with_what_is_left(void **state)
{
	(void)state;
	assert_int_equal(schedule_patience(FROM + 8 * HOUR, FROM), 48 * MINUTE);
	assert_int_equal(schedule_patience(FROM + 30 * 24 * HOUR, FROM), HOUR);
	assert_int_equal(schedule_patience(FROM + 20 * SECOND, FROM), 2 * SECOND);
	assert_int_equal(schedule_patience(FROM + 1, FROM), SECOND);
	assert_int_equal(schedule_patience(FROM, FROM), 5 * MINUTE);
	assert_int_equal(schedule_reluctance(FROM + 8 * HOUR, FROM), HOUR);
	assert_int_equal(schedule_reluctance(FROM + 20 * MINUTE, FROM), 5 * MINUTE);
	assert_int_equal(schedule_reluctance(FROM + 20 * SECOND, FROM), 10 * SECOND);
	assert_int_equal(schedule_reluctance(FROM - 1, FROM), 5 * MINUTE);
}

static int tries_in_a_day(int64_t left, uint16_t random)
{
	int64_t now = FROM, n = 0;

	for (; now < FROM + 24 * HOUR; n++)
		now += schedule_absence(FROM + left, now, random);
	return (int)n;
}

/* From any moment in the life of a certificate of a day on, whatever chance says. */
static void a_day_without_the_ca_takes_at_most_25_tries(void **state)
{
	(void)state;
	for (int64_t left = 0; left <= 24 * HOUR; left += 10 * MINUTE) {
		assert_in_range(tries_in_a_day(left, 0), 10, 25);
		assert_in_range(tries_in_a_day(left, UINT16_MAX), 10, 25);
	}
	assert_int_equal(schedule_absence(FROM + 8 * HOUR, FROM, 0), 2 * HOUR);
	assert_int_equal(schedule_absence(FROM + 2 * HOUR, FROM, 0), 30 * MINUTE);
	assert_int_equal(schedule_absence(FROM + MINUTE, FROM, 0), 10 * MINUTE);
}

/* -- plans ----------------------------------------------------------------------------------- */

struct scene {
	struct hc_cert leaf;
	struct hc_file files[3];
	struct hc_snapshot snapshot;
	struct schedule schedule;
	struct plan_facts facts;
};

static struct scene scene;

static int set_scene(void **state)
{
	(void)state;
	memset(&scene, 0, sizeof(scene));
	scene.leaf.not_before = FROM;
	scene.leaf.not_after = FROM + 1000 * SECOND;
	scene.files[0].role = "cert";
	scene.files[0].certs = &scene.leaf;
	scene.files[0].n_certs = 1;
	scene.files[0].cert_size = sizeof(scene.leaf);
	scene.files[1].role = "key";
	scene.files[2].role = "ca";
	scene.snapshot.files = scene.files;
	scene.snapshot.n_files = 3;
	scene.snapshot.file_size = sizeof(scene.files[0]);
	scene.schedule = (struct schedule){-6600, 0};
	scene.facts.schedule = &scene.schedule;
	scene.facts.now = FROM + 100 * SECOND;
	return 0;
}

static void needs(enum plan_need need)
{
	assert_int_equal(plan_make(&scene.snapshot, &scene.facts).need, need);
}

static void a_good_pair_rests_until_it_is_due(void **state)
{
	struct plan plan = plan_make(&scene.snapshot, &scene.facts);

	(void)state;
	assert_int_equal(plan.need, PLAN_NOTHING);
	assert_int_equal(plan.due_at, FROM + 660 * SECOND);
	scene.facts.now = FROM + 660 * SECOND - 1;
	needs(PLAN_NOTHING);
	scene.facts.now = FROM + 660 * SECOND;
	needs(PLAN_RENEW);
}

static void what_is_missing_or_broken_is_enrolled(void **state)
{
	(void)state;
	scene.files[1].state = HC_STATE_MISSING;
	needs(PLAN_ENROL);
	scene.files[1].state = HC_STATE_BROKEN;
	needs(PLAN_ENROL);
	scene.files[1].state = HC_STATE_WHOLE;
	scene.files[0].state = HC_STATE_BROKEN;
	needs(PLAN_ENROL);
	scene.files[0].state = HC_STATE_MISSING;
	scene.files[0].n_certs = 0;
	needs(PLAN_ENROL);
}

static void the_ca_file_alone_is_no_reason_for_a_new_certificate(void **state)
{
	(void)state;
	scene.files[2].state = HC_STATE_MISSING;
	needs(PLAN_ROOTS);
	scene.files[2].state = HC_STATE_BROKEN;
	needs(PLAN_ROOTS);
	scene.facts.now = FROM + 700 * SECOND;
	needs(PLAN_RENEW);
	scene.facts.now = FROM + 100 * SECOND;
	scene.snapshot.n_files = 2;
	needs(PLAN_NOTHING);
}

static void what_has_expired_is_renewed(void **state)
{
	(void)state;
	scene.files[0].state = HC_STATE_EXPIRED;
	scene.facts.now = FROM + 2000 * SECOND;
	needs(PLAN_RENEW);
}

static void what_is_not_valid_yet_is_waited_for(void **state)
{
	(void)state;
	scene.files[0].state = HC_STATE_EXPIRED;
	scene.facts.now = FROM - HOUR;
	needs(PLAN_WAIT);
	assert_int_equal(plan_make(&scene.snapshot, &scene.facts).due_at, FROM);
}

static void other_names_in_the_configuration_are_enrolled(void **state)
{
	(void)state;
	scene.facts.asked_anew = true;
	needs(PLAN_ENROL);
}

static void backdating_does_not_count(void **state)
{
	(void)state;
	scene.facts.issued_at = FROM + 900 * SECOND;
	scene.facts.now = FROM + 901 * SECOND;
	needs(PLAN_NOTHING);
	assert_int_equal(plan_make(&scene.snapshot, &scene.facts).due_at, FROM + 966 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_share_and_a_time_before_the_end),
		cmocka_unit_test(jitter_comes_earlier_and_from_the_fingerprint),
		cmocka_unit_test(no_setting_makes_a_loop),
		cmocka_unit_test(patience_shrinks_with_what_is_left),
		cmocka_unit_test_setup(a_good_pair_rests_until_it_is_due, set_scene),
		cmocka_unit_test_setup(what_is_missing_or_broken_is_enrolled, set_scene),
		cmocka_unit_test_setup(the_ca_file_alone_is_no_reason_for_a_new_certificate,
				       set_scene),
		cmocka_unit_test_setup(what_has_expired_is_renewed, set_scene),
		cmocka_unit_test(a_day_without_the_ca_takes_at_most_25_tries),
		cmocka_unit_test_setup(what_is_not_valid_yet_is_waited_for, set_scene),
		cmocka_unit_test_setup(other_names_in_the_configuration_are_enrolled, set_scene),
		cmocka_unit_test_setup(backdating_does_not_count, set_scene),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
