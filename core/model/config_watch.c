/*
 * model/config_watch - [watch NAME]
 */
#include "model/config_build.h"
#include "model/config_keys.h"

#include <errno.h>
#include <string.h>

/* A role's file, a relative name in the watch's directory; NULL where the key is not given. */
static char *keep_role(struct config_build *b, const struct options *o, const char *directory,
		       const char *key)
{
	const char *value = options_string(o, key);

	return value ? config_keep_path(b, directory, value) : NULL;
}

static int keep_patterns(struct config_build *b, const struct section *section,
			 const struct options *o, struct config_watch *ret)
{
	const char *const *words;
	uint32_t n = options_list(o, "match", &words);
	int r = 0;

	if (!n)
		return 0;
	ret->match = arena_alloc(&b->config->arena, n * sizeof(*ret->match));
	if (!ret->match)
		return -ENOMEM;
	ret->n_match = n;
	for (uint32_t i = 0; i < n; i++) {
		ret->match[i] = config_keep(b, words[i]);
		if (!strchr(words[i], '/'))
			continue;
		config_complain(b, config_where_is(section, "match"), section->title, "match",
				"\"%s\" has a '/'; write patterns of names in the directory",
				words[i]);
		r = 1;
	}
	return r;
}

/* Whether the keys that name the files go together; sound: nothing was wrong with the section so
 * far. */
static int check_files(struct config_build *b, const struct section *section,
		       const struct options *o, bool sound)
{
	bool cert = options_is_set(o, "cert"), key = options_is_set(o, "key");
	bool roles = cert || key || options_is_set(o, "ca");
	bool match = options_is_set(o, "match");
	size_t before = b->errors->n;

	if (!roles && !match && sound)
		config_complain(b, &section->where, section->title, NULL,
				"names no file; add cert and key, or ca, or match");
	if (roles && match)
		config_complain(b, config_where_is(section, "match"), section->title, "match",
				"excludes cert, key and ca; remove it, or them");
	if (key && !cert)
		config_complain(b, config_where_is(section, "key"), section->title, "key",
				"is of no use without cert; add the certificate it belongs to");
	if (options_is_set(o, "key_password_file") && !key && !match)
		config_complain(b, config_where_is(section, "key_password_file"), section->title,
				"key_password_file",
				"is of no use without key; add the key, or remove it");
	return b->errors->n > before;
}

static int fill(struct config_build *b, const struct section *section, const struct options *o,
		struct config_watch *ret)
{
	const char *directory = options_string(o, "directory");

	ret->name = config_keep(b, section->name);
	ret->where = section->where;
	ret->settle_warn_ms = options_int(o, "settle_warn");
	ret->key_password_file = config_keep(b, options_string(o, "key_password_file"));
	if (!directory)
		return 1; /* reported as missing or wrong */
	ret->directory = config_keep_path(b, NULL, directory);
	ret->cert = keep_role(b, o, ret->directory, "cert");
	ret->key = keep_role(b, o, ret->directory, "key");
	ret->ca = keep_role(b, o, ret->directory, "ca");
	return keep_patterns(b, section, o, ret);
}

int config_build_watch(struct config_build *b, const struct section *section,
		       struct config_watch *ret)
{
	const struct option_source from = {
		.section = section->title,
		.reference = "watch",
		.entries = section->entries,
		.n_entries = section->n_entries,
		.where = section->where,
	};
	struct config_watch watch = {0};
	struct options *o = NULL;
	int r = config_options(b, config_keys_watch(), &from, &o), filled;

	if (r < 0)
		return r;
	if (check_files(b, section, o, r == 0))
		r = 1;
	filled = fill(b, section, o, &watch);
	options_destroy(o);
	if (b->failed || filled < 0)
		return -ENOMEM;
	if (r == 0 && filled == 0)
		*ret = watch;
	return r || filled;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool config_watch_equal(const struct config_watch *a, const struct config_watch *b)
{
	if (!same(a->name, b->name) || !same(a->directory, b->directory) ||
	    !same(a->cert, b->cert) || !same(a->key, b->key) || !same(a->ca, b->ca) ||
	    !same(a->key_password_file, b->key_password_file) ||
	    a->settle_warn_ms != b->settle_warn_ms || a->n_match != b->n_match)
		return false;
	for (size_t i = 0; i < a->n_match; i++)
		if (!same(a->match[i], b->match[i]))
			return false;
	return true;
}
