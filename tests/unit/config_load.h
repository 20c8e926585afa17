/*
 * tests/unit/config_load - loads what the scratch folder holds; see scratch.h
 */
#ifndef HC_TESTS_CONFIG_LOAD_H
#define HC_TESTS_CONFIG_LOAD_H

#include "base/mem.h"
#include "base/str.h"
#include "model/config.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct errors errors;
static struct config *config;

/* Loads from folders below the scratch one, weakest first; "" is that itself. */
static inline int load_dirs(const char *a, const char *b, bool want_broken)
{
	const char *dirs[] = {scratch_path(a), b ? scratch_path(b) : NULL, NULL};
	const struct config_source source = {.dirs = dirs, .want_broken = want_broken};

	errors_finish(&errors);
	config_destroy(config);
	config = NULL;
	return config_load(&source, &errors, &config);
}

static inline int load(void)
{
	return load_dirs("", NULL, false);
}

/* The same, which must succeed. */
static inline void must_load(void)
{
	int r = load();

	for (size_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.text[i]);
	assert_int_equal(r, 0);
	assert_int_equal(errors.n, 0);
}

/* "a.conf" with this text gives this error and no other. */
static inline void assert_error(const char *text, const char *place, const char *words)
{
	scratch_write("a.conf", text);
	assert_int_equal(load(), 1);
	assert_true(has_error(&errors, place, words));
	assert_int_equal(errors.n, 1);
	assert_null(config);
}

static inline int config_setup(void **state)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	return scratch_setup(state);
}

static inline int config_teardown(void **state)
{
	errors_finish(&errors);
	config_destroy(config);
	config = NULL;
	return scratch_teardown(state);
}

#define WATCH "[watch w]\ndirectory = /tls\ncert = c\nkey = k\n"

#define TEST(f) cmocka_unit_test_setup_teardown(f, config_setup, config_teardown)

#endif
