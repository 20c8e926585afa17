/* Reading while somebody writes. */
#include "watch_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static int64_t monotonic_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

struct writer {
	const char *path;
	atomic_bool stop;
};

/* Rewrites a file in place for as long as it is let. */
static void *write_on(void *data)
{
	struct writer *w = data;

	while (!w->stop)
		pki_write(w->path, "x", 1);
	return NULL;
}

static void gives_up_on_what_never_rests(void **state)
{
	struct fixture *f = *state;
	struct writer writer = {.path = f->cert};
	int64_t deadline = monotonic_s() + 60;
	pthread_t thread;
	bool seen = false;

	write_pair(f, 0);
	MUST(pthread_create(&thread, NULL, write_on, &writer) == 0);
	while (!seen && monotonic_s() < deadline) {
		reread(f);
		seen = strstr(f->last->pub.error, "changes while it is read");
	}
	writer.stop = true;
	MUST(pthread_join(thread, NULL) == 0);
	assert_true(seen);
	assert_int_equal(f->last->pub.state, HC_STATE_BROKEN);
	expect(f, HC_STATE_BROKEN, "holds no certificate"); /* at rest: not taken for the same */
	write_pair(f, 0);
	expect(f, HC_STATE_WHOLE, "");
}

struct swapper {
	struct fixture *f;
	char *names[2][2]; /* pair, file */
	atomic_bool stop;
};

/* Puts the one pair in place of the other, file by file, as fast as it goes. */
static void *swap_on(void *data)
{
	struct swapper *s = data;
	int i = 0;

	do { /* once at least: the other thread may be through before this one begins */
		const char *target[2] = {s->f->cert, s->f->key};

		for (int k = 0; k < 2; k++) {
			char *fresh = str_format("%s.new", target[k]);

			MUST(link(s->names[i][k], fresh) == 0);
			MUST(rename(fresh, target[k]) == 0);
			free(fresh);
		}
		i = !i;
	} while (!s->stop);
	return NULL;
}

static void never_mixes_two_pairs(void **state)
{
	struct fixture *f = *state;
	struct swapper swapper = {.f = f};
	int whole = 0;
	pthread_t thread;

	for (int i = 0; i < 2; i++) {
		write_pair(f, i);
		for (int k = 0; k < 2; k++) {
			swapper.names[i][k] = str_format("%s/pair%d.%d", f->dir, i, k);
			MUST(rename(k ? f->key : f->cert, swapper.names[i][k]) == 0);
		}
	}
	MUST(pthread_create(&thread, NULL, swap_on, &swapper) == 0);
	for (int i = 0; i < 3000; i++) {
		reread(f);
		whole += f->last->pub.state == HC_STATE_WHOLE;
		if (f->last->pub.state != HC_STATE_BROKEN || i == 0)
			continue;
		if (!strstr(f->last->pub.error, "changes while it is read") &&
		    !strstr(f->last->pub.error, "is not the key of"))
			fail_msg("%s", f->last->pub.error);
	}
	swapper.stop = true;
	MUST(pthread_join(thread, NULL) == 0);
	reread(f);
	assert_int_equal(f->last->pub.state, HC_STATE_WHOLE);
	print_message("whole %d of 3000 times\n", whole);
	for (int i = 0; i < 4; i++)
		free(swapper.names[i / 2][i % 2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(gives_up_on_what_never_rests),
		FIXTURE_TEST(never_mixes_two_pairs),
	};

	return cmocka_run_group_tests_name("snapshot_races", tests, NULL, NULL);
}
