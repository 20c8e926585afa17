/* trust/links: rows without holes, whatever is in them */
#include "trust/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH "0123abcd"

struct row {
	char path[64];
	int dir;
	const char *going; /* does not stay */
};

static int begin(void **state)
{
	struct row *row = calloc(1, sizeof(*row));

	strcpy(row->path, "/tmp/test_links.XXXXXX");
	assert_non_null(mkdtemp(row->path));
	row->dir = open(row->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = row;
	return 0;
}

static int end(void **state)
{
	struct row *row = *state;
	char command[96];

	close(row->dir);
	snprintf(command, sizeof(command), "rm -r %s", row->path);
	assert_int_equal(system(command), 0);
	free(row);
	return 0;
}

#define PLACES 16

/* One word for each place: where its link leads, '=' and what is in the file, or '-' for none. */
static void put(struct row *row, const char *words)
{
	char buf[128], name[32], *save, *word;
	int i = 0;

	snprintf(buf, sizeof(buf), "%s", words);
	for (word = strtok_r(buf, " ", &save); word; word = strtok_r(NULL, " ", &save), i++) {
		snprintf(name, sizeof(name), HASH ".%d", i);
		if (*word == '=') {
			int fd = openat(row->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

			assert_int_equal(write(fd, word + 1, 1), 1);
			close(fd);
		} else if (*word != '-') {
			assert_int_equal(symlinkat(word, row->dir, name), 0);
		}
	}
}

static void expect(struct row *row, const char *words)
{
	char got[128] = "", name[32], target[32] = "=?";
	size_t end = 0;

	for (int i = 0; i < PLACES; i++) {
		ssize_t n;

		snprintf(name, sizeof(name), HASH ".%d", i);
		n = readlinkat(row->dir, name, target, sizeof(target) - 1);
		if (n < 0) {
			int fd = openat(row->dir, name, O_RDONLY | O_CLOEXEC);

			target[0] = fd < 0 ? '-' : '=';
			n = fd < 0 ? 1 : 1 + read(fd, target + 1, 1);
			close(fd);
		}
		target[n] = '\0';
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? " " : "",
			 target);
		if (*target != '-')
			end = strlen(got);
	}
	got[end] = '\0';
	assert_string_equal(got, words);
}

static bool stays(void *data, const char *target)
{
	const struct row *row = data;

	return !row->going || strcmp(target, row->going) != 0;
}

static void tidy(struct row *row)
{
	struct links rows = {0};

	assert_int_equal(links_note(&rows, HASH), 0);
	assert_int_equal(links_tidy(row->dir, &rows, stays, row), 0);
	links_finish(&rows);
}

static void the_last_takes_the_place_as_well(void **state)
{
	static const char *const cases[][2] = {
		{"x", ""},
		{"a x", "a"},
		{"x a", "a a"},
		{"x a b", "b a b"},
		{"a x b", "a b b"},
		{"x x a", "a a a"},
		{"a a", "a a"},
		{"a x a x a x x", "a a a a a"},
		{"x =1", "=1 =1"},
		{"x =1 a", "a =1 a"},
		{"x a =1", "=1 a =1"},
		{"=1 x", "=1"},
		{"x =1 x =2", "=2 =1 =2 =2"},
		{"- x", ""},
		{"- x - x", ""},
		{"- a", "a a"},
		{"a - x b", "a b b b"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		void *inner = NULL;

		begin(&inner);
		((struct row *)inner)->going = "x";
		put(inner, cases[i][0]);
		tidy(inner);
		expect(inner, cases[i][1]);
		end(&inner);
	}
}

static void a_link_is_added_once_where_nobody_has_his_only_place(void **state)
{
	struct row *row = *state;

	put(row, "a =1");
	assert_int_equal(links_add(row->dir, HASH, "b"), 0);
	assert_int_equal(links_add(row->dir, HASH, "b"), 0);
	expect(row, "a =1 b");
	assert_int_equal(symlinkat("a", row->dir, HASH ".3"), 0);
	assert_int_equal(links_add(row->dir, HASH, "c"), 0);
	expect(row, "c =1 b a");
}

static void a_place_is_given_away_before_it_is_free(void **state)
{
	struct row *row = *state;
	struct links rows = {0};

	row->going = "x";
	put(row, "x a b");
	assert_int_equal(links_release(row->dir, "x", "gone", stays, row, &rows), 0);
	expect(row, "b a b");
	assert_int_equal(rows.n, 1);
	assert_int_equal(links_tidy(row->dir, &rows, stays, row), 0);
	expect(row, "b a b");
	links_finish(&rows);
}

static void links_are_moved_as_their_target_is_called(void **state)
{
	struct row *row = *state;

	put(row, "/root/x/y /rooty /root a");
	assert_int_equal(links_rebase(row->dir, "/root", "../.."), 0);
	expect(row, "../../x/y /rooty /root a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_takes_the_place_as_well),
		cmocka_unit_test_setup_teardown(
			a_link_is_added_once_where_nobody_has_his_only_place, begin, end),
		cmocka_unit_test_setup_teardown(a_place_is_given_away_before_it_is_free, begin,
						end),
		cmocka_unit_test_setup_teardown(links_are_moved_as_their_target_is_called, begin,
						end),
	};

	return cmocka_run_group_tests_name("trust/links", tests, NULL, NULL);
}
