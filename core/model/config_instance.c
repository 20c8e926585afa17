/*
 * model/config_instance - [PLUGIN NAME]
 */
#include "model/config_build.h"
#include "model/config_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* With more watches than this a missing one is not looked up among them for "did you mean". */
#define NEAREST_AMONG 200

static bool is_core_key(const char *key)
{
	const struct option_table *table = config_keys_instance();

	for (uint32_t i = 0; i < table->n; i++)
		if (!strcmp(option_table_get(table, i)->name, key))
			return true;
	return false;
}

/* The core's keys into core, which has room for all, copies of the plugin's into ret. */
static int split_entries(struct config_build *b, const struct section *section,
			 struct config_entry *core, size_t *ret_n_core, struct config_instance *ret)
{
	size_t n_core = 0;

	for (size_t i = 0; i < section->n_entries; i++)
		if (is_core_key(section->entries[i].key))
			core[n_core++] = section->entries[i];
	*ret_n_core = n_core;
	ret->entries = arena_alloc(&b->config->arena,
				   (section->n_entries - n_core) * sizeof(*ret->entries));
	if (!ret->entries)
		return -ENOMEM;
	for (size_t i = 0; i < section->n_entries; i++) {
		struct config_entry entry = section->entries[i];

		if (is_core_key(entry.key))
			continue;
		entry.value = config_keep(b, entry.value);
		ret->entries[ret->n_entries++] = entry;
	}
	return b->failed ? -ENOMEM : 0;
}

/* The name of the watch that was probably meant, or NULL. */
static const char *nearest_watch(struct config_build *b, const char *name)
{
	const char *names[NEAREST_AMONG];
	size_t n = 0;

	if (b->sections.n > NEAREST_AMONG)
		return NULL;
	for (size_t i = 0; i < b->sections.n; i++)
		if (b->sections.list[i]->name && !strcmp(b->sections.list[i]->kind, "watch"))
			names[n++] = b->sections.list[i]->name;
	return str_nearest(name, names, n);
}

static void check_watch(struct config_build *b, const struct section *section, const char *watch)
{
	static const char *const known[] = {"watch"};
	const struct config_where *where = config_where_is(section, "watch");
	const char *nearest;

	if (sections_find(&b->sections, "watch", watch))
		return;
	nearest = nearest_watch(b, watch);
	if (where == &section->where && str_nearest(section->kind, known, 1))
		config_complain(b, where, section->title, NULL,
				"there is no [watch %s] for it; did you mean [watch %s] here?",
				watch, section->name);
	else if (nearest)
		config_complain(b, where, section->title, "watch",
				"there is no [watch %s]; did you mean watch = %s?", watch, nearest);
	else
		config_complain(
			b, where, section->title, "watch",
			"there is no [watch %s]; add that section, or name another with watch =",
			watch);
}

static void check_times(struct config_build *b, const struct section *section,
			const struct options *o)
{
	static const char *const keys[] = {"timeout", "retry_min", "retry_max"};
	size_t before = b->errors->n;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (options_is_set(o, keys[i]) && options_int(o, keys[i]) == 0)
			config_complain(b, config_where_is(section, keys[i]), section->title,
					keys[i],
					"must be more than 0; write 500ms, 15s, 5m, 8h or 30d");
	if (b->errors->n == before && options_int(o, "retry_min") > options_int(o, "retry_max"))
		config_complain(b, config_where_is(section, "retry_min"), section->title,
				"retry_min",
				"is longer than retry_max; make it shorter, or retry_max longer");
}

static int fill(struct config_build *b, const struct section *section, const struct options *o,
		struct config_instance *ret)
{
	const char *watch = options_string(o, "watch");

	ret->plugin = section->kind;
	ret->full = config_keep(b, section->title);
	if (!ret->full)
		return -ENOMEM;
	ret->name = ret->full + strlen(section->kind) + 1;
	ret->name[-1] = ':';
	ret->where = section->where;
	ret->watch = watch ? config_keep(b, watch) : ret->name;
	ret->timeout_ms = options_int(o, "timeout");
	ret->retry_min_ms = options_int(o, "retry_min");
	ret->retry_max_ms = options_int(o, "retry_max");
	return b->failed ? -ENOMEM : 0;
}

int config_build_instance(struct config_build *b, const struct section *section,
			  struct config_instance *ret)
{
	struct config_entry core[8]; /* at least as many as the core has keys */
	struct option_source from = {
		.section = section->title,
		.reference = "instance",
		.entries = core,
		.where = section->where,
	};
	struct config_instance instance = {0};
	struct options *o = NULL;
	int r = split_entries(b, section, core, &from.n_entries, &instance);
	bool sound;

	if (r < 0)
		return r;
	r = config_options(b, config_keys_instance(), &from, &o);
	if (r < 0)
		return r;
	sound = r == 0;
	r = fill(b, section, o, &instance);
	if (r == 0) {
		check_watch(b, section, instance.watch);
		if (sound)
			check_times(b, section, o);
		*ret = instance;
	}
	options_destroy(o);
	return r;
}

static const struct config_entry *find_entry(const struct config_instance *instance,
					     const char *key)
{
	for (size_t i = 0; i < instance->n_entries; i++)
		if (!strcmp(instance->entries[i].key, key))
			return &instance->entries[i];
	return NULL;
}

bool config_instance_equal(const struct config_instance *a, const struct config_instance *b)
{
	if (strcmp(a->full, b->full) != 0 || strcmp(a->watch, b->watch) != 0 ||
	    a->timeout_ms != b->timeout_ms || a->retry_min_ms != b->retry_min_ms ||
	    a->retry_max_ms != b->retry_max_ms || a->n_entries != b->n_entries)
		return false;
	for (size_t i = 0; i < a->n_entries; i++) {
		const struct config_entry *other = find_entry(b, a->entries[i].key);

		if (!other || strcmp(a->entries[i].value, other->value) != 0)
			return false;
	}
	return true;
}
