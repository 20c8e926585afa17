/* redis/record: what is remembered of servers, in as few writes as can be */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "redis/record.h"

#define KEYS 16
#define VALUE_MAX 4096

/* The state of an instance, as the host keeps it. */
static struct {
	char key[32];
	uint8_t data[VALUE_MAX];
	size_t len;
} state[KEYS];
static int writes, fault;

static int slot_of(const char *key)
{
	for (int i = 0; i < KEYS; i++)
		if (state[i].len == 0 || strcmp(state[i].key, key) == 0)
			return i;
	fail();
	return 0;
}

static int64_t state_get(hc_ctx *ctx, const char *key, void *buf, size_t size)
{
	int i = slot_of(key);

	(void)ctx;
	if (state[i].len == 0)
		return -ENOENT;
	if (state[i].len <= size)
		memcpy(buf, state[i].data, state[i].len);
	return (int64_t)state[i].len;
}

static int32_t state_set(hc_ctx *ctx, const char *key, const void *data, size_t len)
{
	int i = slot_of(key);

	(void)ctx;
	writes++;
	if (fault)
		return fault;
	if (len > VALUE_MAX)
		return -E2BIG;
	snprintf(state[i].key, sizeof(state[i].key), "%s", key);
	memcpy(state[i].data, data, len);
	state[i].len = len;
	return 0;
}

static const struct hc_host host = {.state_get = state_get, .state_set = state_set};

static int forget_all(void **unused)
{
	(void)unused;
	memset(state, 0, sizeof(state));
	writes = fault = 0;
	return 0;
}

static struct record_book *load(void)
{
	struct record_book *book = record_book_load(&host, NULL);

	assert_non_null(book);
	return book;
}

static struct record record_of(int i)
{
	struct record record = {.has_served = true, .owed = (uint8_t)(i % 4)};

	memset(record.served, i, sizeof(record.served));
	record.has_applied = i % 2;
	memset(record.key_sha256, i + 1, sizeof(record.key_sha256));
	memset(record.ca_sha256, i + 2, sizeof(record.ca_sha256));
	return record;
}

static void put(struct record_book *book, int server, int content)
{
	struct record record = record_of(content);
	char name[32];

	snprintf(name, sizeof(name), "unix:/run/%d.sock", server);
	assert_int_equal(record_put(book, name, &record), 0);
}

static void expect(const struct record_book *book, int server, int content)
{
	struct record want = record_of(content), got;
	char name[32];

	snprintf(name, sizeof(name), "unix:/run/%d.sock", server);
	record_find(book, name, &got);
	assert_true(got.has_served);
	assert_int_equal(got.has_applied, want.has_applied);
	assert_int_equal(got.owed, want.owed);
	assert_memory_equal(got.served, want.served, 32);
	assert_memory_equal(got.key_sha256, want.key_sha256, 32);
	assert_memory_equal(got.ca_sha256, want.ca_sha256, 32);
}

static void flush(struct record_book *book)
{
	int r;

	do
		r = record_flush(book);
	while (r > 0);
	assert_int_equal(r, 0);
}

static void a_hundred_servers_take_four_writes(void **unused)
{
	struct record_book *book = load();

	(void)unused;
	for (int i = 0; i < 100; i++)
		put(book, i, i);
	flush(book);
	assert_int_equal(writes, 4);
	flush(book);
	assert_int_equal(writes, 4);
	record_book_destroy(book);
	book = load();
	for (int i = 0; i < 100; i++)
		expect(book, i, i);
	put(book, 50, 7);
	flush(book);
	assert_int_equal(writes, 5);
	record_book_destroy(book);
	book = load();
	expect(book, 49, 49);
	expect(book, 50, 7);
	record_book_destroy(book);
}

static void a_server_that_is_new_is_unknown(void **unused)
{
	struct record_book *book = load();
	struct record got = record_of(1);

	(void)unused;
	record_find(book, "unix:/run/0.sock", &got);
	assert_false(got.has_served || got.has_applied || got.owed);
	record_book_destroy(book);
}

static void what_is_not_ours_is_as_if_it_were_not_there(void **unused)
{
	struct record_book *book;
	struct record got;

	(void)unused;
	state_set(NULL, "servers-0", "rubbish", 7);
	book = load();
	record_find(book, "unix:/run/0.sock", &got);
	assert_false(got.has_served);
	put(book, 0, 3);
	flush(book);
	record_book_destroy(book);
	book = load();
	expect(book, 0, 3);
	record_book_destroy(book);
}

static void a_full_disk_is_told(void **unused)
{
	struct record_book *book = load();

	(void)unused;
	put(book, 0, 0);
	fault = -ENOSPC;
	assert_int_equal(record_flush(book), -ENOSPC);
	fault = 0;
	assert_int_equal(record_flush(book), 0);
	assert_int_equal(writes, 2);
	record_book_destroy(book);
	record_book_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_hundred_servers_take_four_writes, forget_all),
		cmocka_unit_test_setup(a_server_that_is_new_is_unknown, forget_all),
		cmocka_unit_test_setup(what_is_not_ours_is_as_if_it_were_not_there, forget_all),
		cmocka_unit_test_setup(a_full_disk_is_told, forget_all),
	};

	return cmocka_run_group_tests_name("redis/record", tests, NULL, NULL);
}
