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

struct redis {
	unsigned magic;
	struct redis_config config;
	struct stream_addr *addrs;
	struct target **targets;
	struct rollout rollout;
	struct wanted *wanted; /* of the last snapshot; NULL before the first */
	hc_job job;
	hc_timer *tear_down, *save; /* after the end of a job; NULL: nothing to be done */
};

static void redis_destroy(void *instance)
{
	struct redis *r = instance;

	if (!r)
		return;
	assert(r->magic == REDIS_MAGIC);
	rollout_cancel(&r->rollout);
	r->config.host->timer_remove(r->tear_down);
	r->config.host->timer_remove(r->save);
	for (uint32_t i = 0; i < r->rollout.n; i++)
		target_destroy(r->targets[i]);
	free(r->targets);
	free(r->addrs);
	wanted_destroy(r->wanted);
	config_finish(&r->config);
	r->magic = 0;
	free(r);
}

static int create_targets(struct redis *r)
{
	r->targets = calloc(r->config.n_addresses, sizeof(struct target *));
	if (!r->targets)
		return -ENOMEM;
	r->rollout.targets = r->targets;
	for (uint32_t i = 0; i < r->config.n_addresses; i++) {
		r->targets[i] = target_create(&r->config, r->config.addresses[i], &r->addrs[i]);
		if (!r->targets[i])
			return -ENOMEM;
		r->rollout.n++;
	}
	return 0;
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
		target_tear_down(r->targets[i]);
}

static void on_save(void *data)
{
	struct redis *r = data;

	assert(r->magic == REDIS_MAGIC);
	r->config.host->timer_remove(steal(&r->save));
	for (uint32_t i = 0; i < r->rollout.n; i++)
		target_save(r->targets[i]);
}

static bool is_unsaved(const struct redis *r)
{
	for (uint32_t i = 0; i < r->rollout.n; i++)
		if (target_unsaved(r->targets[i]))
			return true;
	return false;
}

static void on_done(void *data, int32_t status, const char *text)
{
	struct redis *r = data;
	const struct redis_config *c = &r->config;

	if (!r->tear_down)
		r->tear_down = c->host->timer_add(c->ctx, 0, on_tear_down, r);
	if (!r->save && is_unsaved(r))
		r->save = c->host->timer_add(c->ctx, SAVE_DELAY_MS, on_save, r);
	c->host->job_done(r->job, status, "%s", text);
}

static int32_t redis_apply(void *instance, const struct hc_snapshot *snapshot, hc_job job)
{
	struct redis *r = instance;
	const struct redis_config *c = &r->config;
	struct wanted *wanted;
	char why[320];
	const char *reason;
	int e;

	assert(r->magic == REDIS_MAGIC);
	if (r->rollout.running)
		return -EBUSY;
	e = wanted_create(snapshot, &wanted, &reason);
	if (e == -EINVAL) {
		c->host->job_done(job, HC_FAILED, "%s", reason);
		return 0;
	}
	if (e < 0)
		return e;
	wanted_destroy(r->wanted);
	r->wanted = wanted;
	if (config_trust(&r->config, wanted_file(snapshot, "ca"), why, sizeof(why)) < 0) {
		c->host->job_done(job, HC_RETRY, "%s", why);
		return 0;
	}
	r->job = job;
	rollout_start(&r->rollout, r->wanted, false, on_done, r);
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
	rollout_start(&r->rollout, r->wanted, true, on_done, r);
	return 0;
}

static void redis_status(void *instance)
{
	const struct redis *r = instance;

	assert(r->magic == REDIS_MAGIC);
	for (uint32_t i = 0; i < r->rollout.n; i++)
		target_show(r->targets[i]);
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
