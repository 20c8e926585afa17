/*
 * model/config - the configuration as read from conf.d
 */
#include "model/config.h"

#include "base/log.h"
#include "model/config_build.h"
#include "model/config_dirs.h"
#include "model/config_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Looking at everything more often than this would be polling. */
#define RESCAN_MIN_MS 100

void config_complain(struct config_build *b, const struct config_where *where, const char *section,
		     const char *key, const char *format, ...)
{
	struct str text = {0};
	va_list args;

	va_start(args, format);
	str_addv(&text, format, args);
	va_end(args);
	errors_add(b->errors, "%s:%u: [%s]%s%s: %s", where->file, where->line, section,
		   key ? " " : "", key ? key : "", str_get(&text));
	str_finish(&text);
}

const struct config_where *config_where_is(const struct section *section, const char *key)
{
	for (size_t i = 0; i < section->n_entries; i++)
		if (!strcmp(section->entries[i].key, key))
			return &section->entries[i].where;
	return &section->where;
}

char *config_keep(struct config_build *b, const char *text)
{
	char *copy = text ? arena_strdup(&b->config->arena, text) : NULL;

	if (text && !copy)
		b->failed = true;
	return copy;
}

char *config_keep_path(struct config_build *b, const char *dir, const char *path)
{
	struct str whole = {0};
	char *kept = NULL, *out;

	if (dir && *path != '/')
		str_addf(&whole, "%s/%s", dir, path);
	else
		str_add(&whole, path);
	if (whole.failed) {
		b->failed = true;
	} else {
		out = whole.data;
		for (const char *p = whole.data; *p; p++)
			if (*p != '/' || out == whole.data || out[-1] != '/')
				*out++ = *p;
		if (out > whole.data + 1 && out[-1] == '/')
			out--;
		*out = '\0';
		kept = config_keep(b, whole.data);
	}
	str_finish(&whole);
	return kept;
}

int config_options(struct config_build *b, const struct option_table *table,
		   const struct option_source *source, struct options **ret)
{
	struct option_source lenient = *source;

	lenient.keep_broken = true;
	return options_build(table, &lenient, b->errors, ret);
}

/* ---- [hotcert] ---- */

/* A path of the command line, else of the options. */
static char *keep_setting(struct config_build *b, const char *override, const struct options *o,
			  const char *key)
{
	const char *path = override ? override : options_string(o, key);

	return path ? config_keep_path(b, NULL, path) : NULL;
}

static int build_daemon(struct config_build *b, const struct config_source *source)
{
	char title[] = "hotcert";
	const struct section none = {.title = title, .where = {"", 0}};
	const struct section *found = sections_find(&b->sections, "hotcert", NULL);
	const struct section *section = found ? found : &none;
	const struct option_source from = {
		.section = section->title,
		.reference = "hotcert",
		.entries = section->entries,
		.n_entries = section->n_entries,
		.where = section->where,
	};
	struct config_daemon *d = &b->config->daemon;
	struct options *o = NULL;
	int r = config_options(b, config_keys_daemon(), &from, &o);

	if (r < 0)
		return r;
	d->plugin_dir = keep_setting(b, source->plugin_dir, o, "plugin_dir");
	d->state_dir = keep_setting(b, source->state_dir, o, "state_dir");
	d->runtime_dir = keep_setting(b, source->runtime_dir, o, "runtime_dir");
	d->metrics_file = keep_setting(b, NULL, o, "metrics_file");
	d->log_level = log_level_parse(options_string(o, "log_level"));
	d->rescan_ms = options_int(o, "rescan");
	d->ready_timeout_ms = options_int(o, "ready_timeout");
	options_destroy(o);
	if (d->rescan_ms && d->rescan_ms < RESCAN_MIN_MS) {
		config_complain(b, config_where_is(section, "rescan"), section->title, "rescan",
				"is below %dms; write 5m, or 0 to turn it off", RESCAN_MIN_MS);
		r = 1;
	}
	return r;
}

/* ---- the whole ---- */

static bool is_watch(const struct section *section)
{
	return section->name && !strcmp(section->kind, "watch");
}

/* Room for exactly as many as there are. */
static int allocate(struct config_build *b)
{
	struct config *c = b->config;
	size_t n_watches = 0;

	for (size_t i = 0; i < b->sections.n; i++)
		n_watches += is_watch(b->sections.list[i]);
	c->watches = arena_alloc(&c->arena, n_watches * sizeof(*c->watches));
	c->instances = arena_alloc(&c->arena, (b->sections.n - n_watches) * sizeof(*c->instances));
	return c->watches && c->instances ? 0 : -ENOMEM;
}

static int build_sections(struct config_build *b)
{
	struct config *c = b->config;
	int r = allocate(b);

	for (size_t i = 0; i < b->sections.n && r >= 0; i++) {
		const struct section *section = b->sections.list[i];

		if (is_watch(section)) {
			r = config_build_watch(b, section, &c->watches[c->n_watches]);
			c->n_watches += r == 0;
		} else if (section->name) {
			r = config_build_instance(b, section, &c->instances[c->n_instances]);
			c->n_instances += r == 0;
		}
	}
	return r < 0 ? r : 0;
}

static int read_files(struct config_build *b, const struct config_source *source)
{
	struct config *c = b->config;
	struct config_dirs found = {0};
	int r = config_dirs_find(source->dirs, b->errors, &found);

	if (r < 0)
		return r;
	c->files = arena_alloc(&c->arena, (found.n + 1) * sizeof(*c->files));
	if (!c->files)
		r = -ENOMEM;
	for (size_t i = 0; i < found.n && r >= 0; i++) {
		c->files[c->n_files++] = config_keep(b, found.paths[i]);
		r = sections_read(&b->sections, found.paths[i]);
	}
	config_dirs_finish(&found);
	return r < 0 ? r : 0;
}

static int build(struct config_build *b, const struct config_source *source)
{
	int r = read_files(b, source);

	if (r < 0)
		return r;
	sections_settle(&b->sections);
	r = build_daemon(b, source);
	if (r < 0)
		return r;
	r = build_sections(b);
	return b->failed ? -ENOMEM : r;
}

int config_load(const struct config_source *source, struct errors *errors,
		struct config **ret_config)
{
	struct config *config = calloc(1, sizeof(*config));
	struct config_build b = {.errors = errors, .config = config};
	size_t before = errors->n;
	int r;

	if (!config)
		return -ENOMEM;
	sections_init(&b.sections, &config->arena, errors);
	r = build(&b, source);
	sections_finish(&b.sections);
	if (r == 0 && errors->n > before)
		r = 1;
	if (r == 0 || (r == 1 && source->want_broken))
		*ret_config = config;
	else
		config_destroy(config);
	return r;
}

void config_destroy(struct config *config)
{
	if (!config)
		return;
	arena_finish(&config->arena);
	free(config);
}
