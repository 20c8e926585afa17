/*
 * model/options - a plugin's keys, typed and checked against its option table
 *
 * Only what the configuration gives is kept, and the lists among the defaults; other defaults are
 * read from the table when they are asked for. An instance's options so take a few hundred bytes.
 */
#include "model/options_build.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/str.h"
#include "model/config_keys.h"
#include "model/option_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One key's value; of a list's words, NULL-terminated. */
struct value {
	const struct hc_option *option;
	bool given;  /* by the configuration, not the default */
	bool broken; /* given, but not what its type says: reported, then as if it were not there */
	uint32_t n_words;
	union {
		int64_t number;
		const char *string;
		const char *const *words;
	};
	struct config_where where;
};

struct options {
	struct option_table table;
	struct arena arena;
	const char *section; /* "redis cache" */
	struct config_where where;
	struct value *values;
	uint32_t n_values;
};

/* What options_build() works on. */
struct build {
	struct options *o;
	const struct option_source *source;
	struct errors *errors;
	const char *file_from; /* the file named last, */
	const char *file_copy; /* and the copy that outlives the configuration */
	bool swallowed; /* a value took in lines that may be keys: none is missing for sure */
};

const struct hc_option *option_table_get(const struct option_table *table, uint32_t i)
{
	return (const struct hc_option *)(const void *)((const char *)(const void *)table->first +
							(size_t)i * table->stride);
}

static const struct hc_option *find_option(const struct option_table *table, const char *key)
{
	for (uint32_t i = 0; i < table->n; i++)
		if (!strcmp(option_table_get(table, i)->name, key))
			return option_table_get(table, i);
	return NULL;
}

static struct value *find_value(const struct options *o, const struct hc_option *option)
{
	for (uint32_t i = 0; i < o->n_values; i++)
		if (o->values[i].option == option)
			return &o->values[i];
	return NULL;
}

__attribute__((format(printf, 4, 5))) static void complain(struct build *b,
							   const struct config_where *where,
							   const char *key, const char *format, ...)
{
	struct str text = {0};
	va_list args;

	va_start(args, format);
	str_addv(&text, format, args);
	va_end(args);
	errors_add(b->errors, "%s:%u: [%s] %s: %s", where->file, where->line, b->source->section,
		   key, str_get(&text));
	str_finish(&text);
}

/* Names the key that was probably meant, the core's own among them. */
static void complain_unknown(struct build *b, const struct config_entry *entry)
{
	const struct option_table *own = &b->o->table;
	const struct option_table *core = b->source->with_core ? config_keys_instance() : NULL;
	uint32_t n_core = core ? core->n : 0;
	const char **names = reallocarray(NULL, own->n + n_core + 1, sizeof(*names));
	const char *nearest = NULL;

	for (uint32_t i = 0; names && i < own->n; i++)
		names[i] = option_table_get(own, i)->name;
	for (uint32_t i = 0; names && i < n_core; i++)
		names[own->n + i] = option_table_get(core, i)->name;
	if (names)
		nearest = str_nearest(entry->key, names, own->n + n_core);
	free(names);
	if (nearest)
		complain(b, &entry->where, entry->key, "unknown key; did you mean %s?", nearest);
	else
		complain(b, &entry->where, entry->key, "unknown key; see hotcertd --options %s",
			 b->source->reference);
}

/* A list's further line that is a key by its looks: "  port = 1" below "names = a". */
static bool has_swallowed_key(struct build *b, const struct config_entry *entry)
{
	const char *line = strchr(entry->value, '\n');

	for (; line; line = strchr(line, '\n')) {
		size_t n = strspn(++line, "abcdefghijklmnopqrstuvwxyz0123456789_");
		char name[64];

		if (!n || n >= sizeof(name) || line[n + strspn(line + n, " \t")] != '=')
			continue;
		memcpy(name, line, n);
		name[n] = '\0';
		if (!find_option(&b->o->table, name))
			continue;
		complain(b, &entry->where, entry->key,
			 "the indented line \"%s = ...\" continues this list; remove its "
			 "indentation",
			 name);
		b->swallowed = true;
		return true;
	}
	return false;
}

static int set_words(struct options *o, struct value *v, const char *list)
{
	const char *cursor = list;
	size_t n = 0, size = strlen(list) + 1;
	char *buf = arena_alloc(&o->arena, size), *at = buf;
	const char **words;

	if (!buf)
		return -ENOMEM;
	while (option_next_word(&cursor, at)) {
		at += strlen(at) + 1;
		n++;
	}
	words = arena_alloc(&o->arena, (n + 1) * sizeof(*words));
	if (!words)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++, buf += strlen(buf) + 1)
		words[i] = buf;
	v->words = words;
	v->n_words = (uint32_t)n;
	return 0;
}

/* Keeps a value that was checked. */
static int set_value(struct options *o, struct value *v, const char *text)
{
	const char *why;

	if (v->option->type == HC_OPT_LIST)
		return set_words(o, v, text);
	if (option_is_numeric(v->option->type))
		return option_parse_int(v->option->type, text, &v->number, &why);
	v->string = arena_strdup(&o->arena, text);
	return v->string ? 0 : -ENOMEM;
}

/* The place with a file name of our own: the configuration goes before the instance does. */
static int keep_where(struct build *b, const struct config_where *where, struct config_where *ret)
{
	if (b->file_from != where->file) {
		b->file_copy = arena_strdup(&b->o->arena, where->file);
		b->file_from = where->file;
		if (!b->file_copy)
			return -ENOMEM;
	}
	*ret = (struct config_where){b->file_copy, where->line};
	return 0;
}

static int take_entry(struct build *b, const struct config_entry *entry)
{
	const struct hc_option *option = find_option(&b->o->table, entry->key);
	struct value *v = &b->o->values[b->o->n_values];
	struct str why = {0};
	int r;

	if (!option) {
		complain_unknown(b, entry);
		return 0;
	}
	b->o->n_values++;
	*v = (struct value){.option = option, .given = true};
	r = keep_where(b, &entry->where, &v->where);
	if (r < 0)
		return r;
	if (option_check(option, entry->value, &why) < 0) {
		complain(b, &entry->where, entry->key, "%s", str_get(&why));
		str_finish(&why);
		v->broken = true;
		b->swallowed = b->swallowed || strchr(entry->value, '\n');
		return 0;
	}
	v->broken = option->type == HC_OPT_LIST && has_swallowed_key(b, entry);
	return v->broken ? 0 : set_value(b->o, v, entry->value);
}

/* What the section does not say: an error where it must, else the default. */
static int take_default(struct build *b, const struct hc_option *option)
{
	struct value *v = &b->o->values[b->o->n_values];
	/* member by member: an older plugin's entry is shorter than ours */
	struct hc_option plain = {
		.name = option->name, .type = option->type, .choices = option->choices};
	struct str why = {0};

	if (find_value(b->o, option))
		return 0;
	if (option->flags & HC_OPT_REQUIRED) {
		if (!b->swallowed)
			complain(b, &b->source->where, option->name, "missing; %s", option->help);
		return 0;
	}
	if (!option->def)
		return 0;
	if (plain.type == HC_OPT_SECRET) /* need not exist */
		plain.type = HC_OPT_PATH;
	if (option_check(&plain, option->def, &why) < 0) {
		complain(b, &b->source->where, option->name,
			 "the plugin's default is wrong (%s); report it to its author",
			 str_get(&why));
		str_finish(&why);
		return 0;
	}
	if (option->type != HC_OPT_LIST)
		return 0;
	b->o->n_values++;
	*v = (struct value){.option = option, .where = b->o->where};
	return set_words(b->o, v, option->def);
}

static uint32_t count_lists(const struct option_table *table)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < table->n; i++)
		n += option_table_get(table, i)->type == HC_OPT_LIST;
	return n;
}

static int fill(struct build *b)
{
	const struct option_source *source = b->source;
	struct options *o = b->o;
	size_t n = source->n_entries + count_lists(&o->table);
	int r;

	o->section = arena_strdup(&o->arena, source->section);
	o->values = arena_alloc(&o->arena, (n + 1) * sizeof(*o->values));
	if (!o->section || !o->values)
		return -ENOMEM;
	r = keep_where(b, &source->where, &o->where);
	for (size_t i = 0; r == 0 && i < source->n_entries; i++)
		r = take_entry(b, &source->entries[i]);
	for (uint32_t i = 0; r == 0 && i < o->table.n; i++)
		r = take_default(b, option_table_get(&o->table, i));
	return r;
}

int options_build(const struct option_table *table, const struct option_source *source,
		  struct errors *errors, struct options **ret_options)
{
	struct options *o = calloc(1, sizeof(*o));
	struct build b = {.o = o, .source = source, .errors = errors};
	size_t before = errors->n;
	int r;

	if (!o)
		return -ENOMEM;
	o->table = *table;
	r = fill(&b);
	if (r == 0 && errors->n > before)
		r = 1;
	if (r != 0 && !(r == 1 && source->keep_broken)) {
		options_destroy(o);
		return r;
	}
	*ret_options = o;
	return r;
}

void options_destroy(struct options *o)
{
	if (!o)
		return;
	arena_finish(&o->arena);
	free(o);
}

/* A key of the table; another is a bug of the plugin, and better found at once. */
static const struct hc_option *must_find(const struct options *o, const char *key)
{
	const struct hc_option *option = find_option(&o->table, key);

	if (option)
		return option;
	log_error("[%s] asks for the option %s, which its table does not declare: a bug in the "
		  "plugin",
		  o->section, key);
	abort();
}

static const struct value *sound_value(const struct options *o, const struct hc_option *option)
{
	const struct value *v = find_value(o, option);

	return v && !v->broken ? v : NULL;
}

const char *options_string(const struct options *o, const char *key)
{
	const struct hc_option *option = must_find(o, key);
	const struct value *v = sound_value(o, option);

	return v ? v->string : option->def;
}

int64_t options_int(const struct options *o, const char *key)
{
	const struct hc_option *option = must_find(o, key);
	const struct value *v = sound_value(o, option);
	const char *why;
	int64_t n = 0;

	if (v)
		return v->number;
	if (option->def)
		(void)option_parse_int(option->type, option->def, &n, &why);
	return n;
}

uint32_t options_list(const struct options *o, const char *key, const char *const **ret)
{
	static const char *const none[] = {NULL};
	const struct value *v = sound_value(o, must_find(o, key));

	*ret = v ? v->words : none;
	return v ? v->n_words : 0;
}

int32_t options_is_set(const struct options *o, const char *key)
{
	const struct value *v = find_value(o, must_find(o, key));

	return v && v->given;
}

char *options_where(const struct options *o, const char *key)
{
	const struct value *v = find_value(o, must_find(o, key));
	const struct config_where *where = v ? &v->where : &o->where;

	return str_format("%s:%u: [%s] %s", where->file, where->line, o->section, key);
}

int options_parse(const struct option_table *table, const struct config_instance *instance,
		  struct errors *errors, struct options **ret_options)
{
	char *section = str_format("%s %s", instance->plugin, instance->name);
	const struct option_source source = {
		.section = section,
		.reference = instance->plugin,
		.entries = instance->entries,
		.n_entries = instance->n_entries,
		.where = instance->where,
		.with_core = true,
	};
	int r = section ? options_build(table, &source, errors, ret_options) : -ENOMEM;

	free(section);
	return r;
}
