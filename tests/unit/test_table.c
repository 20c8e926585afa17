#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/table.h"

struct item {
	struct table_entry entry;
	uint64_t key;
};

#define N 5000

static struct item items[N];

static struct item *find(const struct table *t, uint64_t key)
{
	struct table_entry *e = table_first(t, table_hash_u64(key));

	return e ? container_of(e, struct item, entry) : NULL;
}

static void fill(struct table *t)
{
	for (uint64_t i = 0; i < N; i++) {
		items[i] = (struct item){.entry.hash = table_hash_u64(i), .key = i};
		assert_int_equal(table_add(t, &items[i].entry), 0);
	}
}

static void finds_what_is_in_it(void **state)
{
	struct table t = {0};

	(void)state;
	assert_null(find(&t, 1));
	fill(&t);
	for (uint64_t i = 0; i < N; i++)
		assert_ptr_equal(find(&t, i), &items[i]);
	assert_null(find(&t, N));
	table_finish(&t);
}

static void forgets_what_is_removed(void **state)
{
	struct table t = {0};

	(void)state;
	fill(&t);
	for (uint64_t i = 0; i < N; i += 2)
		table_remove(&t, &items[i].entry);
	for (uint64_t i = 0; i < N; i++)
		assert_ptr_equal(find(&t, i), i % 2 ? &items[i] : NULL);
	assert_int_equal(t.n, N / 2);
	table_finish(&t);
}

static void keeps_equal_hashes_apart(void **state)
{
	struct item a = {.entry.hash = 7, .key = 1}, b = {.entry.hash = 7, .key = 2};
	struct table t = {0};
	struct table_entry *e;

	(void)state;
	assert_int_equal(table_reserve(&t, 1), 0);
	table_add(&t, &a.entry);
	table_add(&t, &b.entry);
	e = table_first(&t, 7);
	assert_non_null(e);
	e = table_next_same(e);
	assert_non_null(e);
	assert_null(table_next_same(e));
	table_finish(&t);
}

static void lists_lose_elements_in_a_loop(void **state)
{
	struct list head, a, b, *pos, *next;
	int n = 0;

	(void)state;
	list_init(&head);
	list_push(&head, &a);
	list_push(&head, &b);
	list_for_each_safe (pos, next, &head) {
		list_remove(pos);
		n++;
	}
	assert_int_equal(n, 2);
	assert_true(list_empty(&head));
	list_remove(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_in_it),
		cmocka_unit_test(forgets_what_is_removed),
		cmocka_unit_test(keeps_equal_hashes_apart),
		cmocka_unit_test(lists_lose_elements_in_a_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
