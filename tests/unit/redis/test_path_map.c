/* redis/path_map: how a server calls the watched files; redis/preflight: dates */
#include "redis/path_map.h"
#include "redis/preflight.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void maps(const struct path_map *map, const char *ours, const char *theirs)
{
	char *path = path_map_apply(map, ours);

	assert_string_equal(path, theirs);
	free(path);
}

static void the_longest_entry_counts(void **state)
{
	struct path_map map = {.n = 0};
	const char *why;

	(void)state;
	maps(&map, "/a/b", "/a/b");
	assert_int_equal(path_map_add(&map, "/srv/redis/:/tls", &why), 0);
	assert_int_equal(path_map_add(&map, "/srv/redis/keys:/run/keys//", &why), 0);
	assert_int_equal(path_map_add(&map, "/one.crt:/two.crt", &why), 0);
	maps(&map, "/srv/redis/redis.crt", "/tls/redis.crt");
	maps(&map, "/srv/redis/keys/redis.key", "/run/keys/redis.key");
	maps(&map, "/srv/redis2/redis.crt", "/srv/redis2/redis.crt");
	maps(&map, "/one.crt", "/two.crt");
	path_map_finish(&map);
	assert_int_equal(path_map_add(&map, "/:/host", &why), 0);
	maps(&map, "/x/y", "/host/x/y");
	path_map_finish(&map);
	assert_int_equal(path_map_add(&map, "/x:/", &why), 0);
	maps(&map, "/x/y", "/y");
	path_map_finish(&map);
}

static void what_is_no_pair_is_refused(void **state)
{
	static const char *const texts[] = {"", "/a", "/a:", ":/a", "a:/b", "/a:b", "/a:/b:/c"};
	struct path_map map = {.n = 0};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *why = NULL;

		assert_int_equal(path_map_add(&map, texts[i], &why), -EINVAL);
		assert_non_null(why);
	}
	path_map_finish(&map);
}

static void tidied(const char *path, const char *to)
{
	char buf[64];

	snprintf(buf, sizeof(buf), "%s", path);
	path_tidy(buf);
	assert_string_equal(buf, to);
}

static void spellings_become_equal(void **state)
{
	(void)state;
	tidied("/x/./c.pem", "/x/c.pem");
	tidied("/x//././/c.pem", "/x/c.pem");
	tidied("/./c.pem", "/c.pem");
	tidied("/x/.c.pem", "/x/.c.pem");
	tidied("/x/../c.pem", "/x/../c.pem");
	tidied("", "");
}

#define PATH(path)                                                                                 \
	{                                                                                          \
		(char[]){path}, (char[])                                                           \
		{                                                                                  \
			path                                                                       \
		}                                                                                  \
	}

static int checked(const char *product, uint32_t version, int64_t now, const char *says)
{
	const struct wanted wanted = {
		.cert = PATH("/tls/redis.crt"),
		.key = PATH("/tls/redis.key"),
		.ca = PATH("/tls/ca.crt"),
		.chain_dates = {1000, 5000, "CN=leaf"},
		.ca_dates = {1000, 3000, "CN=old root"},
	};
	const struct files_use use = {.ca = true};
	const struct view ours = {.root = -1};
	struct server server = {.version = version};
	char why[1000] = "";
	int r;

	strcpy(server.product, product);
	strcpy(server.version_text, "9.1.0");
	r = preflight_check(&wanted, &server, &use, &ours, now, why, sizeof(why));
	if (!strstr(why, says))
		fail_msg("\"%s\" does not say \"%s\"", why, says);
	return r;
}

static void dates_are_checked_first(void **state)
{
	const uint32_t v91 = SERVER_VERSION(9, 1, 0), v81 = SERVER_VERSION(8, 1, 0);

	(void)state;
	assert_int_equal(checked("redis", v81, 2000, ""), 0);
	assert_int_equal(checked("redis", v81, 4000, ""), 0);
	assert_int_equal(checked("redis", v81, 999, "not valid before"), -EINVAL);
	assert_int_equal(checked("redis", v81, 5001, "redis.crt: CN=leaf ended"), -EINVAL);
	assert_int_equal(checked("valkey", v91, 2000, ""), 0);
	assert_int_equal(checked("valkey", v91, 4000, "ca.crt: CN=old root ended"), -EINVAL);
	assert_int_equal(checked("valkey", v91, 4000, "valkey 9.1.0 would refuse"), -EINVAL);
	assert_int_equal(checked("valkey", v81, 4000, ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_entry_counts),
		cmocka_unit_test(what_is_no_pair_is_refused),
		cmocka_unit_test(spellings_become_equal),
		cmocka_unit_test(dates_are_checked_first),
	};

	return cmocka_run_group_tests_name("redis/path_map", tests, NULL, NULL);
}
