/*
 * Changes between one step of reading and the next, at chosen moments: fs_read() is this file's
 * own, so that something can happen right behind each call.
 */
#include "base/fs.h"
#include "watch_fixture.h"

#include <errno.h>
#include <fcntl.h>

/* Called after each file was read; n counts from 1. */
static struct {
	void (*call)(struct fixture *f, int n);
	struct fixture *f;
	int n;
} after_read;

int fs_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct stat *ret_st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data = malloc(max + 1);
	ssize_t len = fd < 0 ? -errno : read(fd, data, max);

	if (len >= 0) {
		MUST(fstat(fd, ret_st) == 0);
		close(fd);
		data[len] = '\0';
		*ret_data = data;
		*ret_len = (size_t)len;
	} else {
		free(data);
	}
	if (after_read.call)
		after_read.call(after_read.f, ++after_read.n);
	return len < 0 ? (int)len : 0;
}

void fs_wipe_free(char *data, size_t len)
{
	(void)len;
	free(data);
}

static void begin(struct fixture *f, void (*call)(struct fixture *, int))
{
	after_read.call = call;
	after_read.f = f;
	after_read.n = 0;
}

/* Renames over it, as an atomic writer does. */
static void replace_pair(struct fixture *f, int i)
{
	char fresh[128];

	snprintf(fresh, sizeof(fresh), "%s/.fresh", f->dir);
	pki_add_cert(&f->pem, f->leaf[i]);
	flush(f, fresh);
	MUST(rename(fresh, f->cert) == 0);
	pki_add_key(&f->pem, f->keys[i], NULL);
	flush(f, fresh);
	MUST(rename(fresh, f->key) == 0);
}

static void renew_once(struct fixture *f, int n)
{
	if (n == 1)
		replace_pair(f, 1);
}

static void takes_the_pair_that_came_in_between(void **state)
{
	struct fixture *f = *state;

	write_pair(f, 0);
	begin(f, renew_once);
	assert_int_equal(reread(f), 0);
	assert_string_equal(f->last->pub.error, "");
	assert_string_equal(hc_file_cert(snapshot_role(f->last, "cert"), 0)->serial, "02");
	assert_int_equal(after_read.n, 4);
}

static void renew_always(struct fixture *f, int n)
{
	(void)n;
	replace_pair(f, 0);
}

static void does_not_take_unrest_for_rest(void **state)
{
	struct fixture *f = *state;

	write_pair(f, 0);
	begin(f, renew_always);
	assert_int_equal(reread(f), 0);
	assert_int_equal(f->last->pub.state, HC_STATE_BROKEN);
	assert_non_null(strstr(f->last->pub.error, "changes while it is read"));
	assert_null(snapshot_role(f->last, "cert")->data);
	assert_int_equal(reread(f), SNAPSHOT_SAME);
	begin(f, NULL);
	expect(f, HC_STATE_WHOLE, ""); /* the very bytes that were read before */
}

static void remove_cert(struct fixture *f, int n)
{
	if (n == 2)
		MUST(unlink(f->cert) == 0);
}

static void sees_a_file_go(void **state)
{
	struct fixture *f = *state;

	write_pair(f, 0);
	begin(f, remove_cert);
	assert_int_equal(reread(f), 0);
	assert_int_equal(f->last->pub.state, HC_STATE_MISSING);
	assert_non_null(strstr(f->last->pub.error, "tls.crt: No such file"));
}

static void put_cert(struct fixture *f, int n)
{
	if (n == 2)
		write_cert(f, 0);
}

static void sees_a_file_come(void **state)
{
	struct fixture *f = *state;

	write_key(f, 0, NULL);
	begin(f, put_cert);
	assert_int_equal(reread(f), 0);
	assert_string_equal(f->last->pub.error, "");
}

static void remove_key(struct fixture *f, int n)
{
	if (n == 1)
		MUST(unlink(f->key) == 0);
}

/* Listed and then gone is not missing: it is no longer in the set. */
static void lists_matches_again(void **state)
{
	struct fixture *f = *state;
	static char *match[] = {"tls.*"};

	f->watch = (struct config_watch){
		.name = "tls", .directory = f->dir, .match = match, .n_match = 1};
	write_pair(f, 0);
	begin(f, remove_key);
	assert_int_equal(reread(f), 0);
	assert_string_equal(f->last->pub.error, "");
	assert_int_equal(f->last->pub.n_files, 1);
}

static int stop(void **state)
{
	begin(NULL, NULL);
	return fixture_teardown(state);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(takes_the_pair_that_came_in_between),
		TEST(does_not_take_unrest_for_rest),
		TEST(sees_a_file_go),
		TEST(sees_a_file_come),
		TEST(lists_matches_again),
	};

	return cmocka_run_group_tests_name("snapshot_collect", tests, NULL, NULL);
}
