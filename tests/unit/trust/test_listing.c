/* trust/listing: what programs print, and whose that is */
#include "trust/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/pem.h"

#define HEX "00112233445566778899aabbccddeeff"
#define NAME "hotcert-corp-" HEX "-Root"

static const uint8_t content[32] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
				    0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01};
static const uint8_t other[32] = {0x99};

/* What an instance makes of one certificate in a store; the flags of what it wants, -1: nothing. */
static int flags_of(const char *name, bool trusted, const uint8_t fingerprint[32], bool folds,
		    const char *instance)
{
	struct root root = {.label = "Root"};
	struct roots wanted = {&root, 1};
	struct listing listing = {0};
	struct inventory inventory;
	int flags;

	memcpy(root.fingerprint, content, 32);
	assert_int_equal(inventory_init(&inventory, &wanted), 0);
	assert_int_equal(listing_add(&listing, name, trusted, fingerprint), 0);
	assert_int_equal(listing_note(&listing, instance, folds, &inventory), 0);
	flags = (int)inventory.list[0].flags;
	inventory_finish(&inventory);
	listing_finish(&listing);
	return flags;
}

static void names_say_whose_it_is(void **state)
{
	(void)state;
	assert_int_equal(flags_of(NAME, true, content, false, "corp"), STORE_OURS | STORE_LIVE);
	assert_int_equal(flags_of("My CA", true, content, false, "corp"), STORE_LIVE);
	assert_int_equal(flags_of("My CA", true, other, false, "corp"), 0);
	assert_int_equal(flags_of("My CA", false, content, false, "corp"), 0);
	assert_int_equal(flags_of(NAME, true, content, false, "x"), STORE_OTHERS | STORE_LIVE);
	assert_int_equal(flags_of(NAME, true, content, false, "Corp"), STORE_OTHERS | STORE_LIVE);
	assert_int_equal(flags_of(NAME, true, content, true, "Corp"), STORE_OURS | STORE_LIVE);
}

static void what_is_not_as_its_name_says_is_damaged(void **state)
{
	(void)state;
	assert_int_equal(flags_of(NAME, false, content, false, "corp"), STORE_OURS | STORE_DAMAGED);
	assert_int_equal(flags_of(NAME, true, other, false, "corp"), STORE_OURS | STORE_DAMAGED);
}

static void a_listing_holds_until_the_file_changes(void **state)
{
	char path[] = "/tmp/test_listing.XXXXXX";
	int fd = mkstemp(path);
	struct listing listing = {0};

	(void)state;
	assert_false(listing_is_current(&listing, path));
	listing_begin(&listing, path);
	assert_false(listing.complete);
	listing.complete = true;
	assert_true(listing_is_current(&listing, path));
	assert_int_equal(write(fd, "x", 1), 1);
	assert_false(listing_is_current(&listing, path));
	listing_begin(&listing, path);
	listing.complete = true;
	unlink(path);
	assert_false(listing_is_current(&listing, path));
	listing_begin(&listing, path);
	assert_true(listing.complete); /* nothing is in what is not there */
	assert_true(listing_is_current(&listing, path));
	listing_finish(&listing);
	close(fd);
}

static void take(void *data, const uint8_t *der, size_t len, const uint8_t fingerprint[32])
{
	(void)der;
	(void)len;
	memcpy(data, fingerprint, 32);
}

static void a_block_is_told_from_what_is_around_it(void **state)
{
	static const char *const lines[] = {
		"Alias name: x",
		"-----END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----",
		"torn",
		"-----BEGIN CERTIFICATE-----",
		"AAEC\r",
		"-----END CERTIFICATE-----\r",
		"after",
	};
	static const char text[] = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";
	uint8_t got[32] = {0}, expected[32];
	struct block block = {0};
	int n = 0;

	(void)state;
	assert_int_equal(pem_each(text, strlen(text), take, expected), 1);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (block_line(&block, lines[i], got))
			n++;
	assert_int_equal(n, 1);
	assert_memory_equal(got, expected, 32);
	block_finish(&block);
}

static void rubbish_between_the_marks_is_no_certificate(void **state)
{
	struct block block = {0};
	uint8_t got[32];

	(void)state;
	assert_false(block_line(&block, "-----BEGIN CERTIFICATE-----", got));
	assert_false(block_line(&block, "?", got));
	assert_false(block_line(&block, "-----END CERTIFICATE-----", got));
	assert_null(block.text);
	assert_false(block_line(&block, "-----BEGIN CERTIFICATE-----", got));
	block_finish(&block); /* in the middle */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_say_whose_it_is),
		cmocka_unit_test(what_is_not_as_its_name_says_is_damaged),
		cmocka_unit_test(a_listing_holds_until_the_file_changes),
		cmocka_unit_test(a_block_is_told_from_what_is_around_it),
		cmocka_unit_test(rubbish_between_the_marks_is_no_certificate),
	};

	return cmocka_run_group_tests_name("trust/listing", tests, NULL, NULL);
}
