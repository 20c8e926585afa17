/* The fuzzer's corpus, without a fuzzer: what was found once stays mended. */
#include "../../fuzz/fuzz_redis_reply.c" /* NOLINT(bugprone-suspicious-include) */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define CORPUS "tests/fuzz/corpus/redis_reply"

static void run_file(const char *name)
{
	static uint8_t data[1 << 20];
	char path[300];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), CORPUS "/%s", name);
	f = fopen(path, "re");
	assert_non_null(f);
	len = fread(data, 1, sizeof(data), f);
	fclose(f);
	assert_int_equal(LLVMFuzzerTestOneInput(data, len), 0);
	/* And cut short, anywhere: a reply is not whole yet. */
	for (size_t n = len < 2000 ? len : 2000; n > 0; n -= 1 + n / 50)
		assert_int_equal(LLVMFuzzerTestOneInput(data, n), 0);
}

static void every_file_of_the_corpus_is_taken(void **state)
{
	DIR *dir = opendir(CORPUS);
	const struct dirent *entry;
	int n = 0;

	(void)state;
	assert_non_null(dir); /* run from the top of the tree, as `make unit` does */
	for (; (entry = readdir(dir)); n++)
		if (entry->d_name[0] != '.')
			run_file(entry->d_name);
	closedir(dir);
	assert_true(n >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_of_the_corpus_is_taken),
	};

	return cmocka_run_group_tests_name("redis/reply_corpus", tests, NULL, NULL);
}
