/* trust/name: names that cannot collide, escape, or be taken apart wrongly */
#include "trust/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "common/pem.h"

#define HEX "000102030405060708090a0b0c0d0e0f"
#define TRICKY "x-" HEX "-y"

static const uint8_t fingerprint[32] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static const char *label(const char *subject)
{
	static char out[NAME_LABEL];

	name_label(subject, out);
	return out;
}

static void labels_are_plain(void **state)
{
	(void)state;
	assert_string_equal(label("CN=Example Root CA"), "Example_Root_CA");
	assert_string_equal(label("CN=Example Root CA,O=Corp,C=DE"), "Example_Root_CA");
	assert_string_equal(label("O=Corp,CN=Example"), "Example");
	assert_string_equal(label("C=DE+CN=Example+O=x"), "Example");
	assert_string_equal(label("CN=a\\,CN=b\\+c,O=x"), "a_CN_b_c");
	assert_string_equal(label("O=x\\,CN=no,OU=y"), "O_x_CN_no_OU_y");
	assert_string_equal(label("CN=../../etc/passwd"), "etc_passwd");
	assert_string_equal(label("CN=-rf \n\t$(reboot)`x`"), "rf_reboot_x");
	assert_string_equal(label("CN=\xc3\xa9t\xc3\xa9"), "t");
	assert_string_equal(label("CN=\\"), "root");
	assert_string_equal(label("CN=\xf0\x9f\x94\xa5"), "root");
	assert_string_equal(label(""), "root");
	assert_int_equal(
		strlen(label("CN=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")), 40);
}

static void instances_keep_their_name(void **state)
{
	char out[NAME_INSTANCE];

	(void)state;
	name_instance("trust:corp", out);
	assert_string_equal(out, "corp");
	name_instance("trust:a.b@c_d-e", out);
	assert_string_equal(out, "a.b@c_d-e");
	name_instance("trust:a/b c", out);
	assert_string_equal(out, "a_b_c");
}

static void a_name_can_be_taken_apart(void **state)
{
	static const char tricky[] = TRICKY;
	const char *const instances[] = {"corp", "a-b", tricky, "-", "a.crt"};
	char name[NAME_FILE];
	struct name_parts parts;

	(void)state;
	for (size_t i = 0; i < sizeof(instances) / sizeof(*instances); i++) {
		name_file(instances[i], fingerprint, "Example_CA", ".crt", name);
		assert_true(name_parse(name, ".crt", &parts));
		assert_memory_equal(parts.fingerprint, fingerprint, sizeof(parts.fingerprint));
		for (size_t j = 0; j < sizeof(instances) / sizeof(*instances); j++)
			assert_int_equal(name_is_of(&parts, instances[j]), i == j);
	}
	name_file("corp", fingerprint, "Example_CA", ".crt", name);
	assert_string_equal(name, "hotcert-corp-" HEX "-Example_CA.crt");
}

static void what_others_have_put_there_is_not_ours(void **state)
{
	const char *const names[] = {
		"",
		".crt",
		"hotcert.crt",
		"hotcert-.crt",
		"hotcert-corp.crt",
		"hotcert-corp-x.crt",
		"hotcert-" HEX "-x.crt",
		"hotcert--" HEX "-x.crt",
		"hotcert-corp-" HEX "-x.pem",
		"hotcert-corp-" HEX "-x",
		"hotcert-corp-" HEX ".crt",
		"hotcert-corp-0" HEX "-x.crt",
		"hotcert-corp-0001020304050607-x.crt",
		"hotcert-corp-zz0102030405060708090a0b0c0d0e0f-x.crt",
		"mine-corp-" HEX "-x.crt",
		"Hotcert-corp-" HEX "-x.crt",
	};
	struct name_parts parts;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_false(name_parse(names[i], ".crt", &parts));
}

static void fingerprints_are_read_as_people_write_them(void **state)
{
	static const char *const good[] = {
		HEX "10000000000000000000000000000000",
		"00010203 04050607 08090A0B 0C0D0E0F 10000000 00000000 00000000 00000000",
		"00:01:02:03:04:05:06:07:08:09:0A:0b:0C:0D:0E:0F:10:00:00:00:00:00:00:00:00:00:00:"
		"00:"
		"00:00:00:00",
	};
	static const char *const bad[] = {
		"",
		HEX,
		HEX "100000000000000000000000000000000",
		HEX "1000000000000000000000000000000g",
		"sha256:" HEX "10000000000000000000000000000000",
	};
	uint8_t out[32];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		memset(out, 0xff, sizeof(out));
		assert_int_equal(pem_parse_fingerprint(good[i], out), 0);
		assert_memory_equal(out, fingerprint, 32);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(pem_parse_fingerprint(bad[i], out), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_plain),
		cmocka_unit_test(instances_keep_their_name),
		cmocka_unit_test(a_name_can_be_taken_apart),
		cmocka_unit_test(what_others_have_put_there_is_not_ours),
		cmocka_unit_test(fingerprints_are_read_as_people_write_them),
	};

	return cmocka_run_group_tests_name("trust/name", tests, NULL, NULL);
}
