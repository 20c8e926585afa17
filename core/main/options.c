/*
 * main/options - the command line of hotcertd
 */
#include "main/options.h"

#include "base/mem.h"
#include "base/str.h"
#include "model/config_keys.h"
#include "plugins/loader.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: hotcertd [-C DIR]... [-P DIR] [-S DIR] [-R DIR] [-t]\n"
	"       hotcertd [-C DIR]... [-P DIR] --options NAME [--man]\n"
	"\n"
	"Watches certificate directories and hands each settled change to plugins.\n"
	"Stays in the foreground; see hotcertd(8) and hotcert.conf(5).\n"
	"\n"
	"  -C, --conf-dir DIR      read DIR/*.conf instead of /usr/lib, /run and "
	"/etc/hotcert/conf.d;\n"
	"                          given again, the later one wins\n"
	"  -P, --plugin-dir DIR    where the plugins are\n"
	"  -S, --state-dir DIR     where to keep what survives a restart\n"
	"  -R, --runtime-dir DIR   where to make control.sock\n"
	"  -t, --test              check the configuration and exit: 0 it is right, 1 it is not\n"
	"      --options NAME      print the keys of plugin NAME, of the sections \"hotcert\" and\n"
	"                          \"watch\", or those of every \"instance\"\n"
	"      --man               with --options: as roff for a manual page\n"
	"  -V, --version           print the version\n"
	"  -h, --help              print this\n";

enum {
	OPT_OPTIONS = 256,
	OPT_MAN,
};

static const struct option long_options[] = {
	{"conf-dir", required_argument, NULL, 'C'},
	{"plugin-dir", required_argument, NULL, 'P'},
	{"state-dir", required_argument, NULL, 'S'},
	{"runtime-dir", required_argument, NULL, 'R'},
	{"test", no_argument, NULL, 't'},
	{"options", required_argument, NULL, OPT_OPTIONS},
	{"man", no_argument, NULL, OPT_MAN},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static enum main_mode wrong(const char *what)
{
	fprintf(stderr, "hotcertd: %s; `hotcertd -h` shows the usage\n", what);
	return MAIN_USAGE;
}

/* True where it was taken. */
static bool take_value(struct main_options *o, int option)
{
	switch (option) {
	case 'C':
		if (o->n_dirs < MAIN_DIRS_MAX)
			o->dirs[o->n_dirs++] = optarg;
		return true;
	case 'P':
		o->source.plugin_dir = optarg;
		return true;
	case 'S':
		o->source.state_dir = optarg;
		return true;
	case 'R':
		o->source.runtime_dir = optarg;
		return true;
	case OPT_OPTIONS:
		o->reference = optarg;
		return true;
	case OPT_MAN:
		o->man = 1;
		return true;
	default:
		return false;
	}
}

enum main_mode main_options_parse(int argc, char **argv, struct main_options *o)
{
	enum main_mode mode = MAIN_RUN;
	int option;

	*o = (struct main_options){0};
	while ((option = getopt_long(argc, argv, "C:P:S:R:tVh", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return MAIN_DONE;
		}
		if (option == 'V') {
			printf("hotcertd %s (plugin interface %d.%d)\n", HC_VERSION, HC_ABI_MAJOR,
			       HC_ABI_MINOR);
			return MAIN_DONE;
		}
		if (option == 't')
			mode = MAIN_CHECK;
		else if (!take_value(o, option))
			return wrong("the command line is not right"); /* getopt(3) said why */
	}
	if (optind < argc)
		return wrong("no argument is expected behind the options");
	if (o->man && !o->reference)
		return wrong("--man needs --options NAME");
	if (o->n_dirs == MAIN_DIRS_MAX)
		return wrong("too many -C");
	if (o->n_dirs)
		o->source.dirs = o->dirs;
	return o->reference ? MAIN_OPTIONS : mode;
}

/* ---- --options ---- */

/* -P, else what the configuration says, else the built-in. Free with free(3). */
static char *plugin_dir(const struct config_source *source)
{
	struct errors errors = {0};
	struct config *config = NULL;
	char *dir;

	if (source->plugin_dir)
		return strdup(source->plugin_dir);
	if (config_load(source, &errors, &config) == 0)
		dir = strdup(config->daemon.plugin_dir);
	else
		dir = strdup(HC_PLUGIN_DIR);
	errors_finish(&errors);
	config_destroy(config);
	return dir;
}

static void print_actions(const struct plugin *plugin)
{
	if (plugin->desc.n_actions)
		printf("\nActions, for `hotcertctl do %s:NAME ACTION`:\n", plugin->desc.name);
	for (uint32_t i = 0; i < plugin->desc.n_actions; i++) {
		const struct hc_action *a = plugin_action(plugin, i);
		cleanup_free char *call =
			str_format("%s%s%s", a->name, a->args ? " " : "", a->args ? a->args : "");

		printf("  %-24s  %s\n", call ? call : a->name, a->help ? a->help : "");
	}
}

static void print_plugin(const struct plugin *plugin)
{
	printf("%s %s - %s\n\nKeys of [%s NAME]:\n", plugin->desc.name,
	       plugin->desc.version ? plugin->desc.version : "",
	       plugin->desc.summary ? plugin->desc.summary : "", plugin->desc.name);
	options_print(&plugin->options);
	printf("\nKeys of every instance:\n");
	options_print(config_keys_instance());
	print_actions(plugin);
}

int main_options_print(const struct main_options *o)
{
	const struct option_table *table = config_keys_find(o->reference);
	cleanup_free char *dir = NULL;
	struct plugin *plugin = NULL;
	char why[512];

	if (!table) {
		dir = plugin_dir(&o->source);
		if (!dir || loader_get(dir, o->reference, &plugin, why, sizeof(why))) {
			fprintf(stderr, "hotcertd: %s\n", dir ? why : "out of memory");
			return EXIT_FAILURE;
		}
		table = &plugin->options;
	}
	if (o->man)
		options_print_man(table);
	else if (plugin)
		print_plugin(plugin);
	else
		options_print(table);
	loader_finish();
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
