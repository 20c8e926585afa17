/*
 * The configuration: everything that can be wrong with it, each with its place
 */
#include "config_load.h"

static void a_given_directory_must_be_there(void **state)
{
	(void)state;
	assert_int_equal(load_dirs("nowhere", NULL, false), 1);
	assert_true(has_error(&errors, "nowhere", "No such file or directory"));
	scratch_write("file", "");
	assert_int_equal(load_dirs("file", NULL, false), 1);
	assert_true(has_error(&errors, "file", "Not a directory"));
}

static void refuses_drop_ins_that_are_no_files(void **state)
{
	(void)state;
	scratch_mkdir("a.conf");
	SCRATCH_MUST(mkfifo(scratch_path("b.conf"), 0600) == 0);
	SCRATCH_MUST(symlink("/nowhere", scratch_path("c.conf")) == 0);
	SCRATCH_MUST(symlink("/dev/zero", scratch_path("d.conf")) == 0);
	assert_int_equal(load(), 1);
	assert_true(has_error(&errors, "/a.conf", "directory"));
	assert_true(has_error(&errors, "/b.conf", "regular file"));
	assert_true(has_error(&errors, "/c.conf", "No such file"));
	assert_true(has_error(&errors, "/d.conf", "regular file"));
	assert_int_equal(errors.n, 4);
}

static void refuses_percent_signs_it_does_not_know(void **state)
{
	(void)state;
	assert_error(WATCH "[x w]\na = %d/x\n", "/a.conf:6", "[x w] a: %d is the directory");
	assert_error(WATCH "[x w]\na = date +%s\n", "/a.conf:6", "%s is not known");
	assert_error(WATCH "[x w]\na = 1\n  %z\n", "/a.conf:7", "[x w] a: %z is not known");
}

static void refuses_unknown_sections(void **state)
{
	(void)state;
	assert_error("[hotcret]\nrescan = 5m\n", "/a.conf:1", "[hotcret]; did you mean [hotcert]?");
	assert_error("\n[redis]\n", "/a.conf:2", "unknown section [redis]; write");
	assert_error("[watch]\n", "/a.conf:1", "[watch NAME]");
	assert_error("[hotcert x]\n", "/a.conf:1", "write [hotcert]");
	assert_error("[a b c]\n", "/a.conf:1", "more than two words");
	assert_error("[wacth w]\ndirectory = /x\n", "/a.conf:1", "did you mean [watch w]");
}

static void refuses_names_that_are_no_file_names(void **state)
{
	cleanup_free char *longest = NULL, *longer = NULL;
	char name[102];

	(void)state;
	assert_error("[watch ../x]\ndirectory = /x\nca = a\n", "/a.conf:1",
		     "\"../x\" is not a name");
	assert_error("[watch .]\n", "/a.conf:1", "is not a name");
	assert_error("[watch \xc3\xa4]\n", "/a.conf:1", "is not a name");
	assert_error("[re/dis x]\n", "/a.conf:1", "\"re/dis\" cannot be the name of a plugin");
	memset(name, 'n', sizeof(name));
	name[101] = '\0';
	longer = str_format("[watch %s]\ndirectory = /x\nca = a\n", name);
	assert_error(longer, "/a.conf:1", "at most 100");
	longest = str_format("[watch %s]\ndirectory = /x\nca = a\n", name + 1);
	scratch_write("a.conf", longest);
	must_load();
	assert_string_equal(config->watches[0].name, name + 1);
}

static void refuses_unknown_keys(void **state)
{
	(void)state;
	assert_error("[hotcert]\nrescn = 5m\n", "/a.conf:2",
		     "[hotcert] rescn: unknown key; did you mean rescan?");
	assert_error("[hotcert]\nzzzzzz = 5m\n", "/a.conf:2", "hotcertd --options hotcert");
	assert_error(WATCH "crt = x\n", "/a.conf:5",
		     "[watch w] crt: unknown key; did you mean cert?");
}

static void refuses_wrong_types(void **state)
{
	(void)state;
	assert_error("[hotcert]\nrescan = often\n", "/a.conf:2",
		     "[hotcert] rescan: \"often\" is not a duration");
	assert_error("[hotcert]\nrescan = 1ms\n", "/a.conf:2", "below 100ms");
	assert_error("[hotcert]\nlog_level = loud\n", "/a.conf:2",
		     "[hotcert] log_level: \"loud\" is not one of: error");
	assert_error("[hotcert]\nstate_dir = x\n", "/a.conf:2", "not an absolute path");
	assert_error(WATCH "settle_warn = -1\n", "/a.conf:5", "not a duration");
	assert_error(WATCH "[redis w]\ntimeout = x\n", "/a.conf:6", "[redis w] timeout: \"x\"");
	assert_error(WATCH "[redis w]\nretry_max = 0\n", "/a.conf:6", "more than 0");
	assert_error(WATCH "[redis w]\nretry_min = 1h\n", "/a.conf:6", "longer than retry_max");
}

static void refuses_watches_that_make_no_sense(void **state)
{
	(void)state;
	assert_error("\n[watch w]\nca = a\n", "/a.conf:2", "[watch w] directory: missing");
	assert_error("[watch w]\ndirectory = a/b\nca = a\n", "/a.conf:2",
		     "\"a/b\" is not an absolute");
	assert_error("[watch w]\ndirectory = /x\n", "/a.conf:1", "[watch w]: names no file");
	assert_error(WATCH "match = *\n", "/a.conf:5",
		     "[watch w] match: excludes cert, key and ca");
	assert_error("[watch w]\ndirectory = /x\nkey = a\n", "/a.conf:3", "without cert");
	assert_error("[watch w]\ndirectory = /x\nmatch = a/*\n", "/a.conf:3", "\"a/*\" has a '/'");
	assert_error(WATCH "key_password_file = /nowhere/x\n", "/a.conf:5",
		     "[watch w] key_password_file: /nowhere/x cannot be read: No such file");
	assert_error(WATCH "key_password_file = /dev/null\n", "/a.conf:5", "not a regular file");
	assert_error(WATCH "key_password_file = hunter2\n", "/a.conf:5", "not an absolute path");
	assert_null(strstr(errors.text[0], "hunter2"));
}

static void a_passphrase_needs_a_key(void **state)
{
	cleanup_free char *text = NULL;

	(void)state;
	scratch_write("pass", "x");
	text = str_format("[watch w]\ndirectory = /x\nca = a\nkey_password_file = %s\n",
			  scratch_path("pass"));
	assert_error(text, "/a.conf:4", "without key");
}

static void refuses_what_is_there_twice(void **state)
{
	(void)state;
	assert_error(WATCH
		     "[redis w]\na = 1\n[watch v]\ndirectory = /v\nca = c\n[redis w]\nb = 1\n",
		     "/a.conf:10", "[redis w] is there twice in this file, first in line 5");
	assert_error(WATCH "[redis w]\na = 1\nb = 2\na = 3\n  4\n", "/a.conf:8",
		     "[redis w] a: is given twice, first in line 6");
}

static void refuses_instances_without_their_watch(void **state)
{
	(void)state;
	assert_error("[redis cache]\na = 1\n", "/a.conf:1",
		     "[redis cache] watch: there is no [watch cache]; add that section");
	assert_error("[watch cache1]\ndirectory = /x\nca = a\n[redis y]\nwatch = cache\n",
		     "/a.conf:5",
		     "[redis y] watch: there is no [watch cache]; did you mean watch = cache1?");
}

static void refuses_a_key_swallowed_by_the_one_above(void **state)
{
	(void)state;
	assert_error("[watch w]\ndirectory = /x\n  ca = a\nmatch = b\n", "/a.conf:2",
		     "[watch w] directory: takes one value");
	assert_error("[watch w]\nmatch = b\n  directory = /x\n", "/a.conf:2",
		     "remove its indentation");
}

static void tells_all_errors_at_once(void **state)
{
	(void)state;
	scratch_write("10.conf", "[hotcert]\nrescn = 5m\nrescan = often\n[nonsense\n");
	scratch_write("20.conf", "[watch w]\ncert = a\n[probe v]\nnumber = %x\nnonsense\n");
	assert_int_equal(load(), 1);
	assert_true(has_error(&errors, "/10.conf:2", "rescn"));
	assert_true(has_error(&errors, "/10.conf:3", "often"));
	assert_true(has_error(&errors, "/10.conf:4", "no ']'"));
	assert_true(has_error(&errors, "/20.conf:1", "directory"));
	assert_true(has_error(&errors, "/20.conf:3", "[watch v]"));
	assert_true(has_error(&errors, "/20.conf:4", "%x"));
	assert_true(has_error(&errors, "/20.conf:5", "KEY = VALUE"));
	assert_null(config);
}

static void gives_what_is_left_of_a_broken_one(void **state)
{
	(void)state;
	scratch_write("a.conf",
		      "[hotcert]\nrescan = often\n[watch v]\n[redis v]\nport = 1\n" WATCH);
	assert_int_equal(load_dirs("", NULL, true), 1);
	assert_non_null(config);
	assert_int_equal(config->daemon.rescan_ms, 300000);
	assert_int_equal(config->n_watches, 1);
	assert_int_equal(config->n_instances, 1);
	assert_string_equal(config->instances[0].entries[0].value, "1");
}

static void a_section_has_so_many_keys_and_no_more(void **state)
{
	struct str text = {0};

	(void)state;
	str_add(&text, WATCH "[x w]\n");
	for (int i = 0; i < 300; i++)
		str_addf(&text, "key%d = 1\n", i);
	assert_error(text.data, "/a.conf:262", "more than 256 keys");
	str_finish(&text);
}

static void a_mad_file_gives_a_bounded_list(void **state)
{
	struct str text = {0};

	(void)state;
	for (int i = 0; i < 10000; i++)
		str_add(&text, "[hotcert]\nrescan = 1m\nrescan = 1m\n");
	scratch_write("a.conf", text.data);
	assert_int_equal(load(), 1);
	assert_true(errors.n <= 60);
	str_finish(&text);
}

/* Ten thousand watches with an instance each: well below 1 KB of each pair is the configuration's.
 */
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_given_directory_must_be_there),
		TEST(refuses_drop_ins_that_are_no_files),
		TEST(refuses_percent_signs_it_does_not_know),
		TEST(refuses_unknown_sections),
		TEST(refuses_names_that_are_no_file_names),
		TEST(refuses_unknown_keys),
		TEST(refuses_wrong_types),
		TEST(refuses_watches_that_make_no_sense),
		TEST(a_passphrase_needs_a_key),
		TEST(refuses_what_is_there_twice),
		TEST(refuses_instances_without_their_watch),
		TEST(refuses_a_key_swallowed_by_the_one_above),
		TEST(tells_all_errors_at_once),
		TEST(gives_what_is_left_of_a_broken_one),
		TEST(a_section_has_so_many_keys_and_no_more),
		TEST(a_mad_file_gives_a_bounded_list),
	};

	return cmocka_run_group_tests_name("config_errors", tests, NULL, NULL);
}
