/*
 * plugins/loader - shared objects: found, checked, loaded once, never unloaded
 */
#ifndef HC_PLUGINS_LOADER_H
#define HC_PLUGINS_LOADER_H

#include "model/options.h"

#include <hotcert/plugin.h>
#include <stdbool.h>
#include <stddef.h>

/* A loaded plugin. Lives until the process ends. */
struct plugin {
	struct hc_plugin desc; /* our own copy: what the plugin does not know of is zero */
	struct option_table options;
	char *path;
	struct plugin *next;
	int64_t ident[4]; /* device, inode, mtime, size of the file when it was loaded */
};

/*
 * The plugin of that name from dir/NAME.so, loaded before or now. Returns 0, or 1 with the reason
 * in why (one line that names the file and what to do).
 */
int loader_get(const char *dir, const char *name, struct plugin **ret, char *why, size_t why_size);

/* All that were loaded, linked by next; NULL: none yet. */
const struct plugin *loader_first(void);

/* True where the file on disk is no longer the one that was loaded. */
bool loader_is_stale(const struct plugin *plugin);

/* The i-th action of a plugin; i < plugin->desc.n_actions. */
const struct hc_action *plugin_action(const struct plugin *plugin, uint32_t i);
/* The action of that name, or NULL. */
const struct hc_action *plugin_action_find(const struct plugin *plugin, const char *name);

/* Forgets what was loaded (the objects stay mapped): for a leak-free end. */
void loader_finish(void);

#endif
