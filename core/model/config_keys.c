/*
 * model/config_keys - the keys that the core itself knows, as option tables
 */
#include "model/config_keys.h"

#include <string.h>

static const struct hc_option daemon_keys[] = {
	{"plugin_dir", HC_OPT_PATH, 0, HC_PLUGIN_DIR, NULL,
	 "where the plugins are; -P overrides it"},
	{"state_dir", HC_OPT_PATH, 0, "/var/lib/hotcert", NULL,
	 "what must survive a restart; -S overrides it"},
	{"runtime_dir", HC_OPT_PATH, 0, "/run/hotcert", NULL,
	 "where control.sock is made; -R overrides it"},
	{"log_level", HC_OPT_CHOICE, 0, "notice", "error warning notice info debug",
	 "the least important messages to log"},
	{"rescan", HC_OPT_DURATION, 0, "5m", NULL,
	 "how often everything is looked at even if nothing was reported; 0 turns it off"},
	{"metrics_file", HC_OPT_PATH, 0, NULL, NULL,
	 "a file to keep current for the node exporter's textfile collector"},
	{"ready_timeout", HC_OPT_DURATION, 0, "30s", NULL,
	 "how long to wait for the first jobs before telling systemd that the daemon is ready"},
};

static const struct hc_option watch_keys[] = {
	{"directory", HC_OPT_PATH, HC_OPT_REQUIRED, NULL, NULL, "the directory to watch"},
	{"cert", HC_OPT_STRING, 0, NULL, NULL,
	 "the certificate and its chain, leaf first; a relative name is in the directory"},
	{"key", HC_OPT_STRING, 0, NULL, NULL, "the private key of the certificate"},
	{"ca", HC_OPT_STRING, 0, NULL, NULL, "the root certificates"},
	{"match", HC_OPT_LIST, 0, NULL, NULL,
	 "instead of cert, key and ca: patterns of the names that count, as in glob(7)"},
	{"key_password_file", HC_OPT_SECRET, 0, NULL, NULL, "the passphrase of an encrypted key"},
	{"settle_warn", HC_OPT_DURATION, 0, "10s", NULL,
	 "how long key and certificate may disagree before that is logged"},
};

static const struct hc_option instance_keys[] = {
	{"watch", HC_OPT_STRING, 0, NULL, NULL, "the watch it serves; the same name unless given"},
	{"timeout", HC_OPT_DURATION, 0, NULL, NULL,
	 "how long one job may take; the plugin has a default"},
	{"retry_min", HC_OPT_DURATION, 0, "1s", NULL,
	 "the first pause before a job is tried again"},
	{"retry_max", HC_OPT_DURATION, 0, "5m", NULL,
	 "the longest such pause; each doubles the last"},
};

#define TABLE(keys)                                                                                \
	{                                                                                          \
		(keys), sizeof(keys) / sizeof((keys)[0]), sizeof((keys)[0])                        \
	}

static const struct option_table daemon_table = TABLE(daemon_keys);
static const struct option_table watch_table = TABLE(watch_keys);
static const struct option_table instance_table = TABLE(instance_keys);

const struct option_table *config_keys_daemon(void)
{
	return &daemon_table;
}

const struct option_table *config_keys_watch(void)
{
	return &watch_table;
}

const struct option_table *config_keys_instance(void)
{
	return &instance_table;
}

const struct option_table *config_keys_find(const char *name)
{
	if (!strcmp(name, "hotcert"))
		return &daemon_table;
	if (!strcmp(name, "watch"))
		return &watch_table;
	return strcmp(name, "instance") == 0 ? &instance_table : NULL;
}
