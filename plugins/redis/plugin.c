/*
 * redis - makes a running Redis or Valkey serve the watch's certificate, and proves it
 */
#include "common/mem.h"
#include "redis/config.h"
#include "redis/rollout.h"
#include "redis/target.h"
#include "redis/wanted.h"

#include <assert.h>
#include <errno.h>
#include <hotcert/plugin.h>
#include <string.h>

#define REDIS_MAGIC 0x4ed15000u
/*
 * fsync(2) takes longer than a server does, and holds up the loop: it waits until a row of changes
 * is over. What a crash loses costs a CONFIG SET that was not needed.
 */
#define SAVE_DELAY_MS 1000
/* Between tries where only people can help. */
#define PATIENCE_MIN_MS (5 * 60 * 1000)
#define PATIENCE_MAX_MS (60 * 60 * 1000)

struct redis {
	unsigned magic;
	struct redis_config config;
	struct stream_addr *addrs;
	struct rollout rollout;
	struct wanted *wanted; /* of the last snapshot; NULL before the first */
	hc_job job;
	int32_t last_status;	    /* of the last job */
	int64_t looked_at;	    /* when it ended; monotonic */
	hc_timer *tear_down, *save; /* after the end of a job; NULL: nothing to be done */
};

static void redis_destroy(void *instance)
{
	struct redis *r = instance;

	if (!r)
		return;
	assert(r->magic == REDIS_MAGIC);
	rollout_finish(&r->rollout);
	config_save(&r->config, true);
	r->config.host->timer_remove(r->tear_down);
	r->config.host->timer_remove(r->save);
	free(r->addrs);
	wanted_destroy(r->wanted);
	config_finish(&r->config);
	r->magic = 0;
	free(r);
}

static int create_targets(struct redis *r)
{
	const struct redis_config *c = &r->config;
	int e = rollout_init(&r->rollout, c->host, c->ctx, c->n_addresses);

	for (uint32_t i = 0; e == 0 && i < c->n_addresses; i++)
		e = rollout_add(&r->rollout, target_create(c, c->addresses[i], &r->addrs[i]));
	return e;
}

static int32_t redis_create(const struct hc_host *host, hc_ctx *ctx, void **ret_instance)
{
	struct redis *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	r->magic = REDIS_MAGIC;
	e = config_read(host, ctx, &r->config, &r->addrs);
	if (e < 0) {
		free(r);
		return e;
	}
	e = create_targets(r);
	if (e < 0) {
		redis_destroy(r);
		return e;
	}
	*ret_instance = r;
	return 0;
}

/* ---- jobs ---- */

static void on_tear_down(void *data)
{
	struct redis *r = data;

	assert(r->magic == REDIS_MAGIC);
	r->config.host->timer_remove(steal(&r->tear_down));
	for (uint32_t i = 0; i < r->rollout.n; i++)
		target_tear_down(r->rollout.turns[i].target);
}

static void on_save(void *data)
{
	struct redis *r = data;

	assert(r->magic == REDIS_MAGIC);
	for (uint32_t i = 0; i < r->rollout.n; i++)
		target_put(r->rollout.turns[i].target);
	/* Each page is an fsync: the loop runs in between. */
	if (config_save(&r->config, false))
		r->config.host->timer_set(r->save, 0);
	else
		r->config.host->timer_remove(steal(&r->save));
}

static bool is_unsaved(const struct redis *r)
{
	for (uint32_t i = 0; i < r->rollout.n; i++)
		if (target_unsaved(r->rollout.turns[i].target))
			return true;
	return false;
}

static void after_job(struct redis *r)
{
	const struct redis_config *c = &r->config;

	if (!r->tear_down)
		r->tear_down = c->host->timer_add(c->ctx, 0, on_tear_down, r);
	if (!r->save && is_unsaved(r))
		r->save = c->host->timer_add(c->ctx, SAVE_DELAY_MS, on_save, r);
}

static void on_applied(void *data, int32_t status, const char *text)
{
	struct redis *r = data;
	const struct redis_config *c = &r->config;

	r->last_status = status;
	r->looked_at = c->host->now_mono();
	if (status == HC_RETRY && rollout_wants_patience(&r->rollout))
		c->host->job_delay(r->job, PATIENCE_MIN_MS, PATIENCE_MAX_MS);
	after_job(r);
	c->host->job_done(r->job, status, "%s", text);
}

static void on_checked(void *data, int32_t status, const char *text)
{
	struct redis *r = data;

	after_job(r);
	r->config.host->job_done(r->job, status, "%s", text);
}

/* Whether a rescan has brought nothing new, and is too early for another look at the servers. */
static bool may_rest(const struct redis *r, bool same)
{
	const struct redis_config *c = &r->config;

	if (!same || !c->has_recheck || (r->last_status != HC_OK && r->last_status != HC_SAME))
		return false;
	return c->recheck == 0 || c->host->now_mono() - r->looked_at < c->recheck;
}

/* Takes the snapshot's files as what is wanted from now on; *ret_same: they were already. */
static int take_wanted(struct redis *r, const struct hc_snapshot *snapshot, bool *ret_same,
		       const char **ret_why)
{
	struct wanted *wanted;
	int e = wanted_create(snapshot, &r->config.path_map, &wanted, ret_why);

	if (e < 0)
		return e;
	*ret_same = r->wanted && wanted_equal(r->wanted, wanted);
	wanted_destroy(r->wanted);
	r->wanted = wanted;
	return 0;
}

static int32_t redis_apply(void *instance, const struct hc_snapshot *snapshot, hc_job job)
{
	struct redis *r = instance;
	const struct redis_config *c = &r->config;
	char why[320];
	const char *reason;
	bool same;
	int e;

	assert(r->magic == REDIS_MAGIC);
	if (r->rollout.running)
		return -EBUSY;
	e = take_wanted(r, snapshot, &same, &reason);
	if (e == -EINVAL) {
		c->host->job_done(job, HC_FAILED, "%s", reason);
		return 0;
	}
	if (e < 0)
		return e;
	if (may_rest(r, same)) {
		c->host->job_done(job, HC_SAME, "not looked at again yet, as recheck says");
		return 0;
	}
	if (config_trust(&r->config, wanted_file(snapshot, "ca"), why, sizeof(why)) < 0) {
		c->host->job_done(job, HC_RETRY, "%s", why);
		return 0;
	}
	r->job = job;
	rollout_start(&r->rollout, r->wanted, same && r->last_status == HC_RETRY, on_applied, r);
	return 0;
}

static void redis_cancel(void *instance, hc_job job)
{
	struct redis *r = instance;

	assert(r->magic == REDIS_MAGIC);
	if (r->job == job)
		rollout_cancel(&r->rollout);
}

/* check: all but CONFIG SET, as a report. */
static int32_t redis_action(void *instance, const char *name, uint32_t argc,
			    const char *const *argv, hc_job job)
{
	struct redis *r = instance;
	char why[320];

	(void)name;
	(void)argc;
	(void)argv;
	assert(r->magic == REDIS_MAGIC);
	if (r->rollout.running)
		return -EBUSY;
	if (!r->config.context && config_trust(&r->config, NULL, why, sizeof(why)) < 0) {
		r->config.host->job_done(job, HC_FAILED, "%s", why);
		return 0;
	}
	r->job = job;
	rollout_check(&r->rollout, r->wanted, on_checked, r);
	return 0;
}

static void redis_status(void *instance)
{
	const struct redis *r = instance;

	assert(r->magic == REDIS_MAGIC);
	for (uint32_t i = 0; i < r->rollout.n; i++)
		target_show(r->rollout.turns[i].target);
}

static const struct hc_option options[] = {
	{"address", HC_OPT_LIST, HC_OPT_REQUIRED, NULL, NULL,
	 "servers: host:port (TLS), unix:/path, tcp:host:port (plain); port 6379 if left out"},
	{"username", HC_OPT_STRING, 0, NULL, NULL, "ACL user; without it the default user"},
	{"password_file", HC_OPT_SECRET, 0, NULL, NULL, "file with the user's password"},
	{"server_name", HC_OPT_STRING, 0, NULL, NULL,
	 "name that the server's certificate must carry; without it the address' host"},
	{"ca_file", HC_OPT_PATH, 0, NULL, NULL,
	 "PEM file of trusted roots; without it the watch's ca, else the system's store"},
	{"client_cert", HC_OPT_PATH, 0, NULL, NULL,
	 "PEM file of the client's certificate and chain, for servers that ask for one"},
	{"client_key", HC_OPT_PATH, 0, NULL, NULL, "PEM file of the client's key"},
	{"expired", HC_OPT_CHOICE, 0, "pinned", "pinned no insecure",
	 "whether an expired server is accepted: where its certificate is the one last seen, "
	 "never, or without any check of any server"},
	{"verify_address", HC_OPT_STRING, 0, NULL, NULL,
	 "host:port where the served certificate is looked at; without it the server's TLS port"},
	{"path_map", HC_OPT_LIST, 0, NULL, NULL,
	 "/here:/there: what a path of this host is called where the server runs, in a container"},
	{"set_paths", HC_OPT_BOOL, 0, "no", NULL,
	 "make a server that is configured with other files use the watched ones"},
	{"key_password_file", HC_OPT_SECRET, 0, NULL, NULL,
	 "file with the key's passphrase, for servers that do not know it yet"},
	{"bus", HC_OPT_BOOL, 0, "no", NULL,
	 "look at what the cluster bus serves, too, after a change"},
	{"config_command", HC_OPT_STRING, 0, "CONFIG", NULL,
	 "the name of CONFIG where rename-command has changed it"},
	{"fallback_command", HC_OPT_STRING, 0, NULL, NULL,
	 "program and arguments that restart a server which cannot be reloaded, as a Sentinel"},
	{"kill_clients", HC_OPT_BOOL, 0, "no", NULL,
	 "disconnect all clients after a change, for a key that others know"},
	{"rewrite", HC_OPT_BOOL, 0, "no", NULL,
	 "let the server write its configuration file after set_paths has changed it"},
	{"recheck", HC_OPT_DURATION, 0, NULL, NULL,
	 "how long to rest before a rescan looks at the servers again; 0: until something changes"},
	{"warn_at", HC_OPT_SHARE, 0, "85%", NULL,
	 "when to warn of a served certificate that nobody has renewed: a share of its life, or a "
	 "time before its end"},
	{"connect_timeout", HC_OPT_DURATION, 0, "4s", NULL,
	 "for connecting and the TLS handshake together"},
	{"reply_timeout", HC_OPT_DURATION, 0, "10s", NULL, "for the reply to a command"},
};

static const struct hc_action actions[] = {
	{"check", NULL, "look at each server and say what would be done, without doing it"},
};

HC_PLUGIN_DEFINE(.name = "redis", .version = HC_VERSION,
		 .summary = "makes Redis and Valkey serve a renewed certificate without a restart",
		 .timeout_ms = 60000, HC_OPTIONS(options), HC_ACTIONS(actions),
		 .create = redis_create, .destroy = redis_destroy, .apply = redis_apply,
		 .cancel = redis_cancel, .action = redis_action, .status = redis_status);
