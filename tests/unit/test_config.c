/*
 * The configuration: which drop-ins are read, how they merge, what they cost
 */
#include "config_load.h"

#include <malloc.h>

static void has_defaults(void **state)
{
	(void)state;
	must_load();
	assert_string_equal(config->daemon.plugin_dir, HC_PLUGIN_DIR);
	assert_string_equal(config->daemon.state_dir, "/var/lib/hotcert");
	assert_string_equal(config->daemon.runtime_dir, "/run/hotcert");
	assert_null(config->daemon.metrics_file);
	assert_int_equal(config->daemon.log_level, 5);
	assert_int_equal(config->daemon.rescan_ms, 300000);
	assert_int_equal(config->daemon.ready_timeout_ms, 30000);
	assert_int_equal(config->n_watches + config->n_instances + config->n_files, 0);
}

static void reads_the_daemons_section(void **state)
{
	(void)state;
	scratch_write("a.conf", "[hotcert]\nplugin_dir = /p//q/\nstate_dir = /s\nruntime_dir = /r\n"
				"log_level = debug\nrescan = 0\nmetrics_file = /m\n"
				"ready_timeout = 500ms\n");
	must_load();
	assert_string_equal(config->daemon.plugin_dir, "/p/q");
	assert_string_equal(config->daemon.state_dir, "/s");
	assert_string_equal(config->daemon.runtime_dir, "/r");
	assert_string_equal(config->daemon.metrics_file, "/m");
	assert_int_equal(config->daemon.log_level, 7);
	assert_int_equal(config->daemon.rescan_ms, 0);
	assert_int_equal(config->daemon.ready_timeout_ms, 500);
}

static void the_command_line_wins(void **state)
{
	const char *dirs[] = {scratch, NULL};
	const struct config_source source = {
		.dirs = dirs, .plugin_dir = "p", .state_dir = "/s/", .runtime_dir = "/r"};

	(void)state;
	scratch_write("a.conf", "[hotcert]\nplugin_dir = /x\nstate_dir = /x\nruntime_dir = /x\n");
	assert_int_equal(config_load(&source, &errors, &config), 0);
	assert_string_equal(config->daemon.plugin_dir, "p");
	assert_string_equal(config->daemon.state_dir, "/s");
	assert_string_equal(config->daemon.runtime_dir, "/r");
}

static void reads_watches(void **state)
{
	const struct config_watch *w;

	(void)state;
	scratch_write("secret", "x");
	scratch_write("a.conf",
		      "[watch roles]\ndirectory = /etc//tls/\ncert = a.crt\nkey = /k/a.key\n"
		      "ca = sub/ca.crt\nsettle_warn = 1m\n"
		      "[watch match]\ndirectory = /\nmatch = *.crt, *.pem\n  x\\,y\n");
	must_load();
	assert_int_equal(config->n_watches, 2);
	w = &config->watches[0];
	assert_string_equal(w->name, "roles");
	assert_string_equal(w->directory, "/etc/tls");
	assert_string_equal(w->cert, "/etc/tls/a.crt");
	assert_string_equal(w->key, "/k/a.key");
	assert_string_equal(w->ca, "/etc/tls/sub/ca.crt");
	assert_null(w->key_password_file);
	assert_int_equal(w->n_match, 0);
	assert_int_equal(w->settle_warn_ms, 60000);
	assert_string_equal(w->where.file, scratch_path("/a.conf"));
	assert_int_equal(w->where.line, 1);
	w = &config->watches[1];
	assert_string_equal(w->directory, "/");
	assert_int_equal(w->n_match, 3);
	assert_string_equal(w->match[0], "*.crt");
	assert_string_equal(w->match[1], "*.pem");
	assert_string_equal(w->match[2], "x,y");
	assert_null(w->cert);
	assert_int_equal(w->settle_warn_ms, 10000);
}

static void reads_instances(void **state)
{
	const struct config_instance *i;

	(void)state;
	scratch_write("a.conf",
		      WATCH "[redis w]\naddress = a,\n  b\n[exec other@1]\nwatch = w\n"
			    "timeout = 5s\nretry_min = 2s\nretry_max = 1h\ncommand = x\n");
	must_load();
	assert_int_equal(config->n_instances, 2);
	i = &config->instances[0];
	assert_string_equal(i->plugin, "redis");
	assert_string_equal(i->name, "w");
	assert_string_equal(i->full, "redis:w");
	assert_string_equal(i->watch, "w");
	assert_int_equal(i->timeout_ms, 0);
	assert_int_equal(i->retry_min_ms, 1000);
	assert_int_equal(i->retry_max_ms, 300000);
	assert_int_equal(i->n_entries, 1);
	assert_string_equal(i->entries[0].key, "address");
	assert_string_equal(i->entries[0].value, "a,\nb");
	assert_int_equal(i->entries[0].where.line, 6);
	assert_int_equal(i->where.line, 5);
	i = &config->instances[1];
	assert_string_equal(i->full, "exec:other@1");
	assert_string_equal(i->watch, "w");
	assert_int_equal(i->timeout_ms, 5000);
	assert_int_equal(i->retry_min_ms, 2000);
	assert_int_equal(i->retry_max_ms, 3600000);
	assert_int_equal(i->n_entries, 1);
}

static void merges_in_order_of_name(void **state)
{
	const struct config_instance *i;

	(void)state;
	scratch_write("20-b.conf", "[redis w]\naddress = second\nusername = b\n");
	scratch_write("10-a.conf", WATCH "[redis w]\naddress = first\n");
	scratch_write("30-c.conf", "[redis w]\nusername =\n");
	scratch_write("40-note.txt", "nonsense");
	scratch_write(".hidden.conf", "nonsense");
	scratch_write(".conf", "nonsense");
	must_load();
	assert_int_equal(config->n_files, 3);
	assert_non_null(strstr(config->files[0], "/10-a.conf"));
	assert_non_null(strstr(config->files[2], "/30-c.conf"));
	assert_int_equal(config->n_instances, 1);
	i = &config->instances[0];
	assert_int_equal(i->n_entries, 1); /* an empty value takes username back */
	assert_string_equal(i->entries[0].value, "second");
	assert_non_null(strstr(i->entries[0].where.file, "/20-b.conf"));
	assert_int_equal(i->entries[0].where.line, 2);
	assert_non_null(strstr(i->where.file, "/10-a.conf"));
}

static void a_later_directory_hides_files(void **state)
{
	(void)state;
	scratch_mkdir("usr");
	scratch_mkdir("etc");
	scratch_write("usr/10.conf", "[hotcert]\nrescan = 1s\nready_timeout = 1s\n");
	scratch_write("usr/20.conf", "[hotcert]\nrescan = 2s\n");
	scratch_write("usr/30.conf", "[hotcert]\nrescan = 3s\n");
	scratch_write("usr/40.conf", "[hotcert]\nrescan = 4s\n");
	scratch_write("etc/10.conf", "[hotcert]\nlog_level = info\n");
	scratch_write("etc/30.conf", "");
	SCRATCH_MUST(symlink("/dev/null", scratch_path("etc/40.conf")) == 0);
	assert_int_equal(load_dirs("usr", "etc", false), 0);
	assert_int_equal(config->daemon.rescan_ms, 2000);
	assert_int_equal(config->daemon.ready_timeout_ms, 30000);
	assert_int_equal(config->daemon.log_level, 6);
	assert_int_equal(config->n_files, 3); /* 40.conf is masked */
	assert_string_equal(config->files[0], scratch_path("etc/10.conf"));
	assert_string_equal(config->files[1], scratch_path("usr/20.conf"));
}

static void expands_percent_signs(void **state)
{
	char host[256] = "";
	cleanup_free char *expected = NULL;

	(void)state;
	gethostname(host, sizeof(host) - 1);
	expected = str_format("%s:%s.internal", host, "/creds");
	setenv("CREDENTIALS_DIRECTORY", "/creds", 1);
	scratch_write("a.conf", WATCH "[x w]\na = %H:%d.internal\nb = 100%%d\nc = 66%, 1% \n"
				      "d = one\n  %d\n");
	must_load();
	assert_string_equal(config->instances[0].entries[0].value, expected);
	assert_string_equal(config->instances[0].entries[1].value, "100%d");
	assert_string_equal(config->instances[0].entries[2].value, "66%, 1%");
	assert_string_equal(config->instances[0].entries[3].value, "one\n/creds");
}

static void a_certificate_or_a_root_alone_is_fine(void **state)
{
	(void)state;
	scratch_write("a.conf",
		      "[watch a]\ndirectory = /x\nca = a\n[watch b]\ndirectory = /x\ncert = b\n");
	must_load();
	assert_int_equal(config->n_watches, 2);
}

static void compares(void **state)
{
	static const char a[] =
		WATCH "[redis w]\na = 1\nb = 2\n[watch m]\ndirectory = /m\nmatch = x\n";
	static const char same[] = "[watch m]\nmatch = x\ndirectory = /m/\n\n\n[redis w]\n"
				   "retry_min = 1s\nb=2\na=1\nwatch = w\n" WATCH;
	static const char *const others[] = {
		WATCH "ca = x\n[redis w]\na = 1\nb = 3\n[watch m]\ndirectory = /m\nmatch = y\n",
		WATCH
		"settle_warn = 1s\n[redis w]\na = 1\n[watch m]\ndirectory = /m\nmatch = x, y\n",
		("[watch w]\ndirectory = /t\ncert = /tls/c\nkey = /tls/k\n[redis w]\na = 1\nb = 2\n"
		 "timeout = 1s\n[watch m]\ndirectory = /m\nca = x\n"),
	};
	struct config *first;

	(void)state;
	scratch_write("a.conf", a);
	must_load();
	first = steal(&config);
	scratch_write("a.conf", same);
	must_load();
	assert_true(config_watch_equal(&first->watches[0], &config->watches[1]));
	assert_true(config_watch_equal(&first->watches[1], &config->watches[0]));
	assert_false(config_watch_equal(&first->watches[0], &config->watches[0]));
	assert_true(config_instance_equal(&first->instances[0], &config->instances[0]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		scratch_write("a.conf", others[i]);
		must_load();
		assert_false(config_watch_equal(&first->watches[0], &config->watches[0]));
		assert_false(config_watch_equal(&first->watches[1], &config->watches[1]));
		assert_false(config_instance_equal(&first->instances[0], &config->instances[0]));
	}
	scratch_write("a.conf", WATCH "[redis w]\na = 1\nb = 2\nwatch = v\n"
				      "[watch v]\ndirectory = /v\nca = v\n");
	must_load();
	assert_true(config_watch_equal(&first->watches[0], &config->watches[0]));
	assert_false(config_instance_equal(&first->instances[0], &config->instances[0]));
	config_destroy(first);
}

static void many_watches_cost_little(void **state)
{
	struct str text = {0};
	size_t before;

	(void)state;
	for (int i = 0; i < 10000; i++)
		str_addf(&text,
			 "[watch service-%05d]\ndirectory = /etc/services/service-%05d/tls\ncert = "
			 "tls.crt\n"
			 "key = tls.key\nca = ca.crt\n[redis service-%05d]\naddress = "
			 "service-%05d.internal:6379\nusername = certreload\npassword_file = "
			 "/etc/services/service-%05d/password\n",
			 i, i, i, i, i);
	scratch_write("a.conf", text.data);
	str_finish(&text);
	before = mallinfo2().uordblks;
	must_load();
	assert_int_equal(config->n_watches, 10000);
	assert_int_equal(config->n_instances, 10000);
	if (before) /* the sanitizers' malloc does not count */
		assert_true(mallinfo2().uordblks - before < 10000 * 700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_defaults),
		TEST(reads_the_daemons_section),
		TEST(the_command_line_wins),
		TEST(reads_watches),
		TEST(reads_instances),
		TEST(merges_in_order_of_name),
		TEST(a_later_directory_hides_files),
		TEST(expands_percent_signs),
		TEST(a_certificate_or_a_root_alone_is_fine),
		TEST(compares),
		TEST(many_watches_cost_little),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
