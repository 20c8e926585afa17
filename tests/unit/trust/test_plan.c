/* trust/plan: what is done with a root, by what the store has and whether it is wanted */
#include "trust/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000000
#define OVERLAP 500

static struct root root = {.fingerprint = {1}, .label = "x"};

/* One that is unwanted since the time that data points to. */
static int64_t since(void *data, const uint8_t fingerprint[32])
{
	(void)fingerprint;
	return *(int64_t *)data;
}

static struct tally plan_one(struct entry *entry, bool complete, bool uninstall, int64_t unwanted)
{
	struct inventory inventory = {entry, 1};
	struct plan_rules rules = {
		.complete = complete,
		.uninstall = uninstall,
		.now = NOW,
		.overlap = OVERLAP,
		.unwanted_since = since,
		.data = &unwanted,
	};

	return plan(&inventory, &rules);
}

static void a_wanted_root(void **state)
{
	static const struct {
		unsigned flags;
		int todo;
		size_t ours;
	} cases[] = {
		{0, TODO_INSTALL, 1},
		{STORE_LIVE, TODO_NOTHING, 0}, /* put there by the administrator */
		{STORE_LIVE | STORE_OURS, TODO_NOTHING, 1},
		{STORE_OURS, TODO_INSTALL, 1}, /* written, then a crash: the program must run */
		{STORE_LIVE | STORE_OTHERS, TODO_INSTALL, 1},
		{STORE_LIVE | STORE_OTHERS | STORE_OURS, TODO_NOTHING, 1},
		{STORE_LIVE | STORE_OURS | STORE_DAMAGED, TODO_INSTALL, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct entry entry = {.root = &root, .flags = cases[i].flags, .todo = TODO_REMOVE};
		struct tally tally = plan_one(&entry, true, false, NOW);

		assert_int_equal(entry.todo, cases[i].todo);
		assert_int_equal(tally.ours, cases[i].ours);
		assert_int_equal(tally.present, 1 - cases[i].ours);
		assert_int_equal(tally.waiting, 0);
	}
}

static void an_unwanted_root_waits_for_its_time(void **state)
{
	struct entry entry = {.flags = STORE_OURS | STORE_LIVE};
	struct tally tally = plan_one(&entry, true, false, NOW - OVERLAP + 1);

	(void)state;
	assert_int_equal(entry.todo, TODO_NOTHING);
	assert_int_equal(tally.waiting, 1);
	assert_int_equal(tally.next, NOW + 1);

	tally = plan_one(&entry, true, false, NOW - OVERLAP);
	assert_int_equal(entry.todo, TODO_REMOVE);
	assert_int_equal(tally.waiting, 0);
	assert_true(tally.next == INT64_MAX);
}

/* A torn or missing file must not take out what was in it. */
static void nothing_is_removed_while_the_roots_are_not_known(void **state)
{
	struct entry entry = {.flags = STORE_OURS | STORE_LIVE};
	struct tally tally = plan_one(&entry, false, false, 0);

	(void)state;
	assert_int_equal(entry.todo, TODO_NOTHING);
	assert_int_equal(tally.waiting, 1);
	assert_true(tally.next == INT64_MAX);
}

static void uninstall_takes_ours_alone(void **state)
{
	struct entry ours = {.flags = STORE_OURS}, others = {.flags = STORE_OTHERS | STORE_LIVE};

	(void)state;
	plan_one(&ours, false, true, NOW);
	plan_one(&others, false, true, NOW);
	assert_int_equal(ours.todo, TODO_REMOVE);
	assert_int_equal(others.todo, TODO_NOTHING);
}

static void an_inventory_knows_each_root_once(void **state)
{
	struct roots wanted = {&root, 1};
	const uint8_t other[32] = {2};
	struct inventory inventory;

	(void)state;
	assert_int_equal(inventory_init(&inventory, &wanted), 0);
	assert_int_equal(inventory_own(&inventory, root.fingerprint, "one"), 0);
	assert_int_equal(inventory_own(&inventory, root.fingerprint, "one again"), 0);
	assert_int_equal(inventory_own(&inventory, other, "two"), 0);
	assert_int_equal(inventory.n, 2);
	assert_ptr_equal(inventory.list[0].root, &root);
	assert_string_equal(inventory.list[0].name, "one");
	assert_null(inventory.list[1].root);
	assert_ptr_equal(inventory_find(&inventory, other), &inventory.list[1]);
	assert_false(inventory_has_work(&inventory));
	inventory.list[1].todo = TODO_REMOVE;
	assert_true(inventory_has_work(&inventory));
	inventory_finish(&inventory);
	inventory_finish(&inventory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wanted_root),
		cmocka_unit_test(an_unwanted_root_waits_for_its_time),
		cmocka_unit_test(nothing_is_removed_while_the_roots_are_not_known),
		cmocka_unit_test(uninstall_takes_ours_alone),
		cmocka_unit_test(an_inventory_knows_each_root_once),
	};

	return cmocka_run_group_tests_name("trust/plan", tests, NULL, NULL);
}
