/*
 * Feeds any bytes to the configuration, as the one drop-in of a folder, and to the options of a
 *plugin.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Icore -Icore/include
 *		-DHC_PLUGIN_DIR='"/plugins"' tests/fuzz/fuzz_config.c core/model/config*.c
 *core/model/ini.c core/model/option*.c core/base/{arena,errors,fs,log,str}.c -linih -o fuzz_config
 *	./fuzz_config CORPUS tests/fuzz/corpus/config
 */
#include "base/mem.h"
#include "base/str.h"
#include "model/config.h"
#include "model/options.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hc_option keys[] = {
	{"address", HC_OPT_LIST, HC_OPT_REQUIRED, NULL, NULL, "servers"},
	{"username", HC_OPT_STRING, 0, "default", NULL, "a name"},
	{"port", HC_OPT_INTEGER, 0, "1", NULL, "a number"},
	{"tls", HC_OPT_BOOL, 0, "yes", NULL, "a switch"},
	{"wait", HC_OPT_DURATION, 0, "1s", NULL, "a time"},
	{"part", HC_OPT_PERCENT, 0, "1%", NULL, "a part"},
	{"renew_at", HC_OPT_SHARE, 0, "66%", NULL, "a moment"},
	{"log", HC_OPT_PATH, 0, NULL, NULL, "a file"},
	{"password_file", HC_OPT_SECRET, 0, NULL, NULL, "a secret"},
	{"words", HC_OPT_LIST, 0, "a, b", NULL, "words"},
	{"expired", HC_OPT_CHOICE, 0, "no", "no pinned", "a choice"},
};
static const struct option_table table = {keys, sizeof(keys) / sizeof(keys[0]), sizeof(keys[0])};

static char folder[] = "/dev/shm/hotcert-fuzz-XXXXXX";
static char drop_in[sizeof(folder) + 16];

static void remove_folder(void)
{
	unlink(drop_in);
	rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	assert(mkdtemp(folder));
	snprintf(drop_in, sizeof(drop_in), "%s/a.conf", folder);
	setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1);
	atexit(remove_folder);
	return 0;
}

/* Every error is a line of text that names the drop-in. */
static void check_errors(const struct errors *errors, size_t from)
{
	for (size_t i = from; i < errors->n; i++) {
		const char *text = errors->text[i];

		assert(!strncmp(text, drop_in, strlen(drop_in)));
		assert(str_is_utf8(text, strlen(text)) && !strchr(text, '\n'));
	}
}

static void check_watch(const struct config_watch *w)
{
	assert(*w->name && w->directory[0] == '/' && w->settle_warn_ms >= 0);
	assert(w->n_match ? !w->cert && !w->key && !w->ca : w->cert || w->ca);
	assert(w->cert || !w->key);
	assert(w->where.line > 0);
	assert(config_watch_equal(w, w));
}

static void check_options(const struct options *o)
{
	const char *const *words;
	uint32_t n = options_list(o, "address", &words);

	for (uint32_t i = 0; i < n; i++)
		assert(*words[i]);
	assert(!words[n]);
	assert(options_string(o, "username") && options_string(o, "expired"));
	assert(options_int(o, "wait") >= 0);
	assert(options_int(o, "part") >= 0 && options_int(o, "part") <= 10000);
	assert(options_int(o, "renew_at") >= -10000);
}

static void check_instance(const struct config_instance *i, struct errors *errors)
{
	struct options *options = NULL;
	size_t before = errors->n;
	int r = options_parse(&table, i, errors, &options);

	assert(r == 0 || r == 1);
	assert((r == 1) == (errors->n > before));
	assert(*i->plugin && *i->name && *i->watch && strchr(i->full, ':'));
	assert(i->retry_min_ms >= 0 && i->retry_max_ms >= 0 && i->timeout_ms >= 0);
	assert(config_instance_equal(i, i));
	check_errors(errors, before);
	if (r == 0)
		check_options(options);
	options_destroy(options);
}

static void put(const uint8_t *data, size_t size)
{
	cleanup_close int fd = open(drop_in, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *dirs[] = {folder, NULL};
	const struct config_source source = {.dirs = dirs, .want_broken = true};
	struct errors errors = {0};
	struct config *config = NULL;
	int r;

	put(data, size);
	r = config_load(&source, &errors, &config);
	assert(r == 0 || r == 1);
	assert((r == 1) == (errors.n > 0));
	check_errors(&errors, 0);
	for (size_t i = 0; i < config->n_watches; i++)
		check_watch(&config->watches[i]);
	for (size_t i = 0; i < config->n_instances; i++)
		check_instance(&config->instances[i], &errors);
	config_destroy(config);
	errors_finish(&errors);
	return 0;
}
