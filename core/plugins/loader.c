#include "plugins/loader.h"

#include "base/mem.h"
#include "base/str.h"
#include "model/option_value.h"
#include "plugins/elf.h"

#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The structs as they were in 1.0: a plugin may know more members, never fewer. */
#define PLUGIN_SIZE_MIN (offsetof(struct hc_plugin, status) + sizeof(void (*)(void *)))
#define OPTION_SIZE_MIN (offsetof(struct hc_option, help) + sizeof(const char *))
#define ACTION_SIZE_MIN (offsetof(struct hc_action, help) + sizeof(const char *))
#define TABLE_MAX 1000 /* more rows than that are a broken struct */

static struct plugin *loaded;

static int refuse(char *why, size_t why_size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(char *why, size_t why_size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, why_size, format, args);
	va_end(args);
	return 1;
}

static void ident_of(const struct stat *st, int64_t ident[4])
{
	ident[0] = (int64_t)st->st_dev;
	ident[1] = (int64_t)st->st_ino;
	ident[2] = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	ident[3] = (int64_t)st->st_size;
}

/* Whoever may write the file or its directory may run code as us. */
static int check_owner(const char *path, const struct stat *st, char *why, size_t why_size)
{
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return refuse(why, why_size, "%s is writable by its %s; chmod go-w %s", path,
			      st->st_mode & S_IWOTH ? "others" : "group", path);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return refuse(why, why_size, "%s belongs to user %u; chown root %s", path,
			      (unsigned)st->st_uid, path);
	return 0;
}

/* The plugin of dir whose file name is nearest to that of path, into out; "" where none is near. */
static void nearest_plugin(const char *dir, const char *path, char *out, size_t size)
{
	cleanup_free char *pattern = str_format("%s/*.so", dir);
	glob_t found;

	out[0] = '\0';
	if (!pattern || glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc && !out[0]; i++) {
		const char *name = strrchr(found.gl_pathv[i], '/') + 1;

		if (str_nearest(strrchr(path, '/') + 1, &name, 1))
			snprintf(out, size, "%.*s", (int)(strlen(name) - strlen(".so")), name);
	}
	globfree(&found);
}

static int refuse_missing(const char *dir, const char *path, char *why, size_t why_size)
{
	char nearest[NAME_MAX + 1];

	nearest_plugin(dir, path, nearest, sizeof(nearest));
	if (nearest[0])
		return refuse(why, why_size, "there is no %s; did you mean %s?", path, nearest);
	return refuse(why, why_size,
		      "there is no %s; is the plugin installed, and plugin_dir right?", path);
}

/* A link leads to the directory that counts. */
static int check_place(const char *path, char *why, size_t why_size)
{
	cleanup_free char *real = realpath(path, NULL);
	struct stat st;

	if (!real)
		return refuse(why, why_size, "%s: %s", path, strerror(errno));
	*strrchr(real, '/') = '\0';
	if (stat(*real ? real : "/", &st) < 0)
		return refuse(why, why_size, "%s: %s", real, strerror(errno));
	return check_owner(*real ? real : "/", &st, why, why_size);
}

static int check_file(const char *dir, const char *path, struct stat *st, char *why,
		      size_t why_size)
{
	struct stat dir_st;

	if (stat(dir, &dir_st) < 0)
		return refuse(why, why_size, "plugin_dir %s: %s", dir, strerror(errno));
	if (stat(path, st) < 0 && errno == ENOENT)
		return refuse_missing(dir, path, why, why_size);
	if (stat(path, st) < 0)
		return refuse(why, why_size, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st->st_mode))
		return refuse(why, why_size, "%s is not a regular file", path);
	if (check_owner(dir, &dir_st, why, why_size) || check_owner(path, st, why, why_size) ||
	    check_place(path, why, why_size))
		return 1;
	if (!elf_is_whole(path))
		return refuse(why, why_size, "%s is cut short; install it again", path);
	return 0;
}

static const struct hc_plugin *open_object(const char *path, char *why, size_t why_size)
{
	const struct hc_plugin *desc;
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!object) {
		refuse(why, why_size, "cannot load: %s", dlerror());
		return NULL;
	}
	desc = dlsym(object, "hc_plugin_v1");
	if (!desc)
		refuse(why, why_size,
		       "%s exports no hc_plugin_v1: not a plugin, or one for another major version "
		       "of the interface than %d",
		       path, HC_ABI_MAJOR);
	return desc;
}

static int check_operations(const char *path, const char *name, const struct hc_plugin *d,
			    char *why, size_t why_size)
{
	const char *missing = !d->create    ? "create"
			      : !d->destroy ? "destroy"
			      : !d->apply   ? "apply"
					    : NULL;

	if (missing)
		return refuse(why, why_size, "%s has no operation %s, which is mandatory", path,
			      missing);
	if (!d->name || strcmp(d->name, name) != 0)
		return refuse(why, why_size, "%s calls itself \"%s\"; name the file %s.so", path,
			      d->name ? d->name : "", d->name ? d->name : "NAME");
	return 0;
}

static const struct hc_action *action_at(const struct hc_plugin *d, uint32_t i)
{
	const char *first = (const char *)d->actions;

	return (const struct hc_action *)(const void *)(first + (size_t)i * d->action_size);
}

/* What the author of a table may have forgotten, or what came with a later minor version. */
static const char *fault_of_option(const struct hc_option *o)
{
	if (!o->name || !*o->name)
		return "has no name";
	if (!o->help)
		return "has no help";
	if (o->type == HC_OPT_CHOICE && !o->choices)
		return "has no choices";
	return option_type_name(o->type) ? NULL : "has a type that this hotcertd does not know";
}

static int check_options(const char *path, const struct hc_plugin *d, char *why, size_t why_size)
{
	const struct option_table table = {d->options, d->n_options, d->option_size};

	for (uint32_t i = 0; i < d->n_options; i++) {
		const char *fault = fault_of_option(option_table_get(&table, i));

		if (fault)
			return refuse(why, why_size, "%s: option %u %s", path, i + 1, fault);
	}
	return 0;
}

static int check_actions(const char *path, const struct hc_plugin *d, char *why, size_t why_size)
{
	for (uint32_t i = 0; i < d->n_actions; i++) {
		const struct hc_action *a = action_at(d, i);

		if (!a->name || !a->help)
			return refuse(why, why_size, "%s: action %u has no %s", path, i + 1,
				      a->name ? "help" : "name");
	}
	return 0;
}

static int check_tables(const char *path, const struct hc_plugin *d, char *why, size_t why_size)
{
	if (d->n_options &&
	    (!d->options || d->n_options > TABLE_MAX || d->option_size < OPTION_SIZE_MIN))
		return refuse(why, why_size, "%s has a broken option table; rebuild it", path);
	if (d->n_actions &&
	    (!d->actions || d->n_actions > TABLE_MAX || d->action_size < ACTION_SIZE_MIN))
		return refuse(why, why_size, "%s has a broken action table; rebuild it", path);
	return check_options(path, d, why, why_size) || check_actions(path, d, why, why_size);
}

/* Copies what both sides know into desc, which is zeroed, and checks the copy. */
static int adopt(const char *path, const char *name, const struct hc_plugin *theirs,
		 struct hc_plugin *desc, char *why, size_t why_size)
{
	if (theirs->abi_major != HC_ABI_MAJOR)
		return refuse(why, why_size, "%s is built for interface %u, this hotcertd has %d",
			      path, theirs->abi_major, HC_ABI_MAJOR);
	if (theirs->size < PLUGIN_SIZE_MIN)
		return refuse(
			why, why_size,
			"%s has a descriptor of %u bytes, %zu at least are needed; rebuild it",
			path, theirs->size, PLUGIN_SIZE_MIN);
	memcpy(desc, theirs, theirs->size < sizeof(*desc) ? theirs->size : sizeof(*desc));
	if (check_operations(path, name, desc, why, why_size))
		return 1;
	return check_tables(path, desc, why, why_size);
}

static int load(const char *dir, const char *name, struct plugin **ret, char *why, size_t why_size)
{
	cleanup_free char *path = str_format("%s/%s.so", dir, name);
	cleanup_free struct plugin *plugin = calloc(1, sizeof(*plugin));
	const struct hc_plugin *theirs;
	struct stat st = {0};

	if (!path || !plugin)
		return refuse(why, why_size, "out of memory");
	if (check_file(dir, path, &st, why, why_size))
		return 1;
	theirs = open_object(path, why, why_size);
	if (!theirs || adopt(path, name, theirs, &plugin->desc, why, why_size))
		return 1;
	ident_of(&st, plugin->ident);
	plugin->options = (struct option_table){plugin->desc.options, plugin->desc.n_options,
						plugin->desc.option_size};
	plugin->path = steal(&path);
	plugin->next = loaded;
	loaded = plugin;
	*ret = steal(&plugin);
	return 0;
}

int loader_get(const char *dir, const char *name, struct plugin **ret, char *why, size_t why_size)
{
	for (struct plugin *p = loaded; p; p = p->next) {
		if (strcmp(p->desc.name, name) != 0)
			continue;
		*ret = p;
		return 0;
	}
	return load(dir, name, ret, why, why_size);
}

const struct plugin *loader_first(void)
{
	return loaded;
}

bool loader_is_stale(const struct plugin *plugin)
{
	int64_t ident[4];
	struct stat st;

	if (stat(plugin->path, &st) < 0)
		return true;
	ident_of(&st, ident);
	return memcmp(ident, plugin->ident, sizeof(ident)) != 0;
}

const struct hc_action *plugin_action(const struct plugin *plugin, uint32_t i)
{
	return action_at(&plugin->desc, i);
}

const struct hc_action *plugin_action_find(const struct plugin *plugin, const char *name)
{
	for (uint32_t i = 0; i < plugin->desc.n_actions; i++)
		if (!strcmp(plugin_action(plugin, i)->name, name))
			return plugin_action(plugin, i);
	return NULL;
}

void loader_finish(void)
{
	while (loaded) {
		struct plugin *next = loaded->next;

		free(loaded->path);
		free(loaded);
		loaded = next;
	}
}
