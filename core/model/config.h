/*
 * model/config - the configuration as read from conf.d: parsed, checked, immutable
 *
 * Drop-ins follow UAPI.6/systemd rules: *.conf from each directory, a file hides one of the same
 * name in an earlier directory, a link to /dev/null masks it, files are read in order of name, a
 * later key overrides an earlier one of the same section.
 */
#ifndef HC_MODEL_CONFIG_H
#define HC_MODEL_CONFIG_H

#include "base/arena.h"
#include "base/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where something stands; file lives as long as the config. */
struct config_where {
	const char *file;
	unsigned line;
};

/* One key of a plugin's section, value with % expanded. The lines of a list are joined by '\n'. */
struct config_entry {
	char *key;
	char *value;
	struct config_where where;
};

/* [hotcert] */
struct config_daemon {
	char *plugin_dir;
	char *state_dir;
	char *runtime_dir;
	char *metrics_file; /* NULL: none */
	int log_level;	    /* LOG_* of syslog(3) */
	int64_t rescan_ms;  /* 0: off */
	int64_t ready_timeout_ms;
};

/* [watch NAME]. cert, key and ca are absolute or NULL; n_match is 0 where there are roles. */
struct config_watch {
	char *name;
	char *directory; /* absolute, no trailing slash but for "/" */
	char *cert;
	char *key;
	char *ca;
	char *key_password_file; /* absolute or NULL */
	char **match;		 /* fnmatch(3) patterns of names in directory */
	size_t n_match;
	int64_t settle_warn_ms;	   /* default 10 s */
	struct config_where where; /* of the section's first line */
};

/* [PLUGIN NAME] */
struct config_instance {
	char *plugin;
	char *name;
	char *full;		      /* "plugin:name" */
	char *watch;		      /* key `watch`, else name */
	int64_t timeout_ms;	      /* key `timeout`; 0: not given, the plugin's default holds */
	int64_t retry_min_ms;	      /* key `retry_min`, default 1 s */
	int64_t retry_max_ms;	      /* key `retry_max`, default 5 m */
	struct config_entry *entries; /* the plugin's own keys, in order of first appearance */
	size_t n_entries;
	struct config_where where;
};

struct config {
	struct config_daemon daemon;
	struct config_watch *watches; /* in order of appearance */
	size_t n_watches;
	struct config_instance *instances;
	size_t n_instances;
	char **files; /* the drop-ins that were read, in order */
	size_t n_files;
	struct arena arena; /* private: where all of the above lives */
};

/* What the command line overrides; members may be NULL. */
struct config_source {
	const char *const *dirs; /* NULL-terminated search path, weakest first; NULL: the default */
	const char *plugin_dir;	 /* -P */
	const char *state_dir;	 /* -S */
	const char *runtime_dir; /* -R */
	/*
	 * Gives *ret_config on 1 too, without what is wrong: to find the errors that plugins know,
	 * and show all at once. Never to be run.
	 */
	bool want_broken;
};

/*
 * Reads and checks everything that needs no plugin: syntax, unknown sections and keys of [hotcert]
 * and [watch], types, duplicates, instances without their watch. Returns 0, or 1 where errors were
 * added ("file:line: [section] key: what is wrong; what to do"), or a negative errno. *ret_config
 * is set on 0 only; free it with config_destroy().
 */
int config_load(const struct config_source *source, struct errors *errors,
		struct config **ret_config);
void config_destroy(struct config *config);

/* True where both say the same, whatever file and line they stand in. */
bool config_watch_equal(const struct config_watch *a, const struct config_watch *b);
bool config_instance_equal(const struct config_instance *a, const struct config_instance *b);

#endif
