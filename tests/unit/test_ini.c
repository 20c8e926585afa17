/*
 * One INI file: what reaches the sink, and each thing that can be wrong with a line
 */
#include "base/mem.h"
#include "base/str.h"
#include "model/ini.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

/* The sink writes down what it gets: "1[a] 2 key=value 3 +more". */
static struct str seen;
static struct errors errors;

static void on_section(void *data, const char *text, unsigned line)
{
	(void)data;
	str_addf(&seen, "%u[%s] ", line, text);
}

static void on_key(void *data, const char *key, const char *value, unsigned line)
{
	(void)data;
	str_addf(&seen, "%u %s=%s ", line, key, value);
}

static void on_more(void *data, const char *value, unsigned line)
{
	(void)data;
	str_addf(&seen, "%u +%s ", line, value);
}

static const struct ini_sink sink = {on_section, on_key, on_more};

static int read_file(void)
{
	errors_finish(&errors);
	str_clear(&seen);
	return ini_read(scratch_path("f.conf"), &sink, NULL, &errors);
}

static int read_n(const char *data, size_t len)
{
	scratch_write_n("f.conf", data, len);
	return read_file();
}

static int read_text(const char *text)
{
	return read_n(text, strlen(text));
}

static int setup(void **state)
{
	return scratch_setup(state);
}

static int teardown(void **state)
{
	errors_finish(&errors);
	str_finish(&seen);
	return scratch_teardown(state);
}

static void assert_seen(const char *text, const char *expected)
{
	int r = read_text(text);

	for (size_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.text[i]);
	assert_int_equal(r, 0);
	assert_string_equal(str_get(&seen), expected);
}

/* One error, in this line, with these words; and what got through in spite of it. */
static void assert_refused(const char *text, const char *place, const char *words,
			   const char *expected)
{
	assert_int_equal(read_text(text), 1);
	assert_true(has_error(&errors, place, words));
	assert_int_equal(errors.n, 1);
	assert_string_equal(str_get(&seen), expected);
}

static void reads_sections_and_keys(void **state)
{
	(void)state;
	assert_seen("[watch a]\nx = 1\ny=2\nz : 3\n\n[b]\n x=4\n",
		    "1[watch a] 2 x=1 3 y=2 4 z=3 6[b] 7 x=4 ");
	assert_seen("", "");
	assert_seen("\n\n\n", "");
	assert_seen("  [ spaced   out ]  \n", "1[spaced   out] ");
	assert_seen("[a]\nx = a=b:c\ny = unix:/run/x\nempty =\n",
		    "1[a] 2 x=a=b:c 3 y=unix:/run/x 4 empty= ");
}

static void takes_comments_out(void **state)
{
	(void)state;
	assert_seen("; one\n# two\n  ; three\n[a] ; four\nx = 1 ; five\n", "4[a] 5 x=1 ");
	assert_seen("[a]\nx = http://host/;b ; c\ny = ;d\n", "1[a] 2 x=http://host/;b 3 y= ");
	assert_seen("[a]\nx =;d\n", "1[a] 2 x=;d ");
	assert_seen("[a]\nx = 1\n; between\n\t2 ; here releases of inih differ\n# again\n\t3\n",
		    "1[a] 2 x=1 4 +2 6 +3 ");
}

static void comments_may_be_long_and_of_any_bytes(void **state)
{
	struct str text = {0};

	(void)state;
	str_add(&text, "; \xff ");
	for (int i = 0; i < 1000; i++)
		str_add(&text, "long ");
	str_add(&text, "\n[a]\nx = 1 ; \xff");
	for (int i = 0; i < 1000; i++)
		str_add(&text, "long ");
	assert_seen(text.data, "2[a] 3 x=1 ");
	str_finish(&text);
}

static void continues_values(void **state)
{
	(void)state;
	assert_seen("[a]\nx = 1,\n  2\n\n\t3\ny = 4\n", "1[a] 2 x=1, 3 +2 5 +3 6 y=4 ");
	assert_seen("[a]\nx =\n  [::1]:6379\n  a = b\n", "1[a] 2 x= 3 +[::1]:6379 4 +a = b ");
	/* a key is not continued across a header */
	assert_seen("[a]\nx = 1\n[b]\n  y = 2\n", "1[a] 2 x=1 3[b] 4 y=2 ");
}

static void keeps_long_names_whole(void **state)
{
	char name[INI_KEY_MAX + 2], section[INI_LINE_MAX - 1];
	struct str text = {0}, expected = {0};

	(void)state;
	memset(name, 'k', sizeof(name));
	name[INI_KEY_MAX] = '\0';
	memset(section, 's', sizeof(section));
	section[sizeof(section) - 1] = '\0';
	str_addf(&text, "[%s]\n%s = 1\n  2\n", section, name);
	str_addf(&expected, "1[%s] 2 %s=1 3 +2 ", section, name);
	assert_seen(text.data, expected.data);
	str_finish(&text);
	str_finish(&expected);
}

static void refuses_a_long_key(void **state)
{
	char name[INI_KEY_MAX + 2];
	struct str text = {0};

	(void)state;
	memset(name, 'k', sizeof(name));
	name[INI_KEY_MAX + 1] = '\0';
	str_addf(&text, "[a]\nx = 0\n%s = 1\n  2\ny = 3\n", name);
	assert_refused(text.data, "f.conf:3", "more than 49 bytes", "1[a] 2 x=0 5 y=3 ");
	str_finish(&text);
}

/* "x = vvv" of that many bytes in all, as the second line. */
static char *with_line(size_t len)
{
	struct str text = {0};

	str_add(&text, "[a]\nx = ");
	for (size_t i = strlen("x = "); i < len; i++)
		str_add(&text, "v");
	str_add(&text, "\n  more\ny = 1\n");
	return str_take(&text);
}

static void takes_a_line_of_the_greatest_length(void **state)
{
	cleanup_free char *text = with_line(INI_LINE_MAX);

	(void)state;
	assert_int_equal(read_text(text), 0);
	assert_int_equal(seen.len, strlen("1[a] 2 x= 3 +more 4 y=1 ") + INI_LINE_MAX - 4);
}

static void refuses_longer_lines_and_never_splits_them(void **state)
{
	static const size_t lengths[] = {INI_LINE_MAX + 1, 199, 200, 201, 300, 400, 5000, 1000000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		cleanup_free char *text = with_line(lengths[i]);
		char words[64];

		snprintf(words, sizeof(words), "%zu bytes", lengths[i]);
		assert_refused(text, "f.conf:2", words, "1[a] 4 y=1 ");
	}
}

static void a_refused_line_takes_its_continuation_along(void **state)
{
	struct str text = {0};

	(void)state;
	str_add(&text, "[a]\nx = 1\ny = ");
	for (int i = 0; i < 300; i++)
		str_add(&text, "v");
	str_add(&text, "\n  of y\n[b]\nz = 2\n  of z\n");
	assert_refused(text.data, "f.conf:3", "304 bytes", "1[a] 2 x=1 5[b] 6 z=2 7 +of z ");
	str_finish(&text);
}

static void refuses_what_is_no_line(void **state)
{
	(void)state;
	assert_refused("[a]\nx = 1\nnonsense\n  of it\ny = 2\n", "f.conf:3", "KEY = VALUE",
		       "1[a] 2 x=1 5 y=2 ");
	assert_refused("[a]\nnonsense", "f.conf:2", "KEY = VALUE", "1[a] ");
	assert_refused("[a]\n= 1\n", "f.conf:2", "no key before it", "1[a] ");
	assert_refused("x = 1\ny = 2\n  z\n[a]\nx = 3\n", "f.conf:1", "before the first section",
		       "4[a] 5 x=3 ");
	assert_refused("[a]\nx = 1 # one\n", "f.conf:2", "'#'", "1[a] ");
}

static void refuses_broken_headers(void **state)
{
	(void)state;
	assert_refused("[a\nx = 1\nnonsense\n[b]\ny = 2\n", "f.conf:1", "no ']'", "4[b] 5 y=2 ");
	assert_refused("[]\nx = 1\n", "f.conf:1", "no name", "");
	assert_refused("[ \t ]\nx = 1\n", "f.conf:1", "no name", "");
	assert_refused("[a] b\nx = 1\n", "f.conf:1", "follows the ']'", "");
	assert_refused("[a]]\nx = 1\n", "f.conf:1", "follows the ']'", "");
	assert_refused("[a]\nx = 1\n[b\n  more\n[c]\n", "f.conf:3", "no ']'", "1[a] 2 x=1 5[c] ");
}

static void refuses_an_indented_header_below_a_key(void **state)
{
	(void)state;
	assert_refused("[a]\nx = 1\n  [watch b]\n  y = 2\n[c]\n", "f.conf:3", "start of its line",
		       "1[a] 2 x=1 5[c] ");
	assert_refused("[a]\nx = 1\n  [hotcert]\n  y = 2\n", "f.conf:3", "start of its line",
		       "1[a] 2 x=1 ");
}

static void refuses_what_is_no_text(void **state)
{
	(void)state;
	assert_refused("[a]\nx = \xff\xfe\ny = 1\n", "f.conf:2", "UTF-8", "1[a] 3 y=1 ");
	assert_refused("[a]\nx = a\x1b[0m\ny = 1\n", "f.conf:2", "control character",
		       "1[a] 3 y=1 ");
	assert_refused("[a]\nx = a\rb\ny = 1\n", "f.conf:2", "control character", "1[a] 3 y=1 ");
}

static void stops_at_a_nul_byte(void **state)
{
	static const char text[] = "[a]\nx = 1\ny = 2\0\nz = 3\n";
	static const char utf16[] = "\xff\xfe[\0a\0]\0\n\0";

	(void)state;
	assert_int_equal(read_n(text, sizeof(text) - 1), 1);
	assert_true(has_error(&errors, "f.conf:3", "NUL"));
	assert_int_equal(errors.n, 1);
	assert_string_equal(str_get(&seen), "1[a] 2 x=1 ");
	assert_int_equal(read_n(utf16, sizeof(utf16) - 1), 1);
	assert_true(has_error(&errors, "f.conf:1", "UTF-8"));
	assert_int_equal(errors.n, 1);
}

static void reads_what_editors_leave(void **state)
{
	(void)state;
	assert_seen("\xef\xbb\xbf[a]\nx = 1\n", "1[a] 2 x=1 ");
	assert_seen("\xef\xbb\xbf; note\n[a]\nx = 1\n", "2[a] 3 x=1 ");
	assert_seen("[a]\r\nx = 1\r\n  2\r\n\r\n; c\r\n", "1[a] 2 x=1 3 +2 ");
	assert_seen("[a]\nx = 1", "1[a] 2 x=1 ");
	assert_seen("[a]\nx = 1\n  2", "1[a] 2 x=1 3 +2 ");
	assert_seen("[a]\nx = \xc3\xa4\xe2\x82\xac\n", "1[a] 2 x=\xc3\xa4\xe2\x82\xac ");
}

static void tells_all_errors_but_not_without_end(void **state)
{
	struct str text = {0};

	(void)state;
	assert_int_equal(read_text("[a\n[b]\nnonsense\n[]\n[c]\n= 1\nx = 2\n"), 1);
	assert_true(has_error(&errors, "f.conf:1", "no ']'"));
	assert_true(has_error(&errors, "f.conf:3", "KEY = VALUE"));
	assert_true(has_error(&errors, "f.conf:4", "no name"));
	assert_true(has_error(&errors, "f.conf:6", "no key"));
	assert_int_equal(errors.n, 4);
	assert_string_equal(str_get(&seen), "2[b] 5[c] 7 x=2 ");

	str_add(&text, "[a]\n");
	for (int i = 0; i < 100000; i++)
		str_add(&text, "nonsense\n");
	assert_int_equal(read_text(text.data), 1);
	assert_int_equal(errors.n, INI_ERRORS_MAX + 1);
	assert_true(has_error(&errors, "f.conf", "more errors"));
	str_finish(&text);
}

static void refuses_a_huge_file(void **state)
{
	struct str text = {0};

	(void)state;
	str_add(&text, "[a]\n");
	while (text.len < 10u << 20)
		str_add(&text, "; ten megabytes of notes\n");
	assert_int_equal(read_n(text.data, text.len), 1);
	assert_true(has_error(&errors, "f.conf", "larger than 8 MiB"));
	assert_int_equal(read_n(text.data, INI_FILE_MAX), 0);
	assert_string_equal(str_get(&seen), "1[a] ");
	str_finish(&text);
}

static void refuses_what_is_no_file(void **state)
{
	const char *path = scratch_path("f.conf");

	(void)state;
	scratch_mkdir("f.conf");
	assert_int_equal(read_file(), 1);
	assert_true(
		has_error(&errors, "f.conf", "is a directory; a drop-in must be a regular file"));
	SCRATCH_MUST(rmdir(path) == 0);
	SCRATCH_MUST(mkfifo(path, 0600) == 0);
	assert_int_equal(read_file(), 1);
	assert_true(has_error(&errors, "f.conf", "not a regular file"));
	SCRATCH_MUST(unlink(path) == 0);
	SCRATCH_MUST(symlink("/nowhere", path) == 0);
	assert_int_equal(read_file(), 1);
	assert_true(has_error(&errors, "f.conf", "No such file"));
	SCRATCH_MUST(unlink(path) == 0);
	SCRATCH_MUST(symlink("/dev/zero", path) == 0);
	assert_int_equal(read_file(), 1);
	assert_true(has_error(&errors, "f.conf", "not a regular file"));
}

static void refuses_an_unreadable_file(void **state)
{
	(void)state;
	scratch_write("f.conf", "[a]\n");
	SCRATCH_MUST(chmod(scratch, 0711) == 0 && chmod(scratch_path("f.conf"), 0) == 0);
	if (geteuid() == 0)
		SCRATCH_MUST(seteuid(65534) == 0);
	assert_int_equal(read_file(), 1);
	if (getuid() == 0)
		SCRATCH_MUST(seteuid(0) == 0);
	assert_true(has_error(&errors, "f.conf", "Permission denied; make it readable"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_sections_and_keys),
		TEST(takes_comments_out),
		TEST(comments_may_be_long_and_of_any_bytes),
		TEST(continues_values),
		TEST(keeps_long_names_whole),
		TEST(refuses_a_long_key),
		TEST(takes_a_line_of_the_greatest_length),
		TEST(refuses_longer_lines_and_never_splits_them),
		TEST(a_refused_line_takes_its_continuation_along),
		TEST(refuses_what_is_no_line),
		TEST(refuses_broken_headers),
		TEST(refuses_an_indented_header_below_a_key),
		TEST(refuses_what_is_no_text),
		TEST(stops_at_a_nul_byte),
		TEST(reads_what_editors_leave),
		TEST(tells_all_errors_but_not_without_end),
		TEST(refuses_a_huge_file),
		TEST(refuses_what_is_no_file),
		TEST(refuses_an_unreadable_file),
	};

	return cmocka_run_group_tests_name("ini", tests, NULL, NULL);
}
