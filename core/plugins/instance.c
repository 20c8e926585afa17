#include "plugins/instance.h"

#include "base/mem.h"
#include "model/state.h"

#include <errno.h>
#include <string.h>

#define TIMEOUT_DEFAULT_MS 60000

static void refuse(struct errors *errors, const struct config_instance *c, const char *why)
{
	errors_add(errors, "%s:%u: [%s %s]: %s", c->where.file, c->where.line, c->plugin, c->name,
		   why);
}

static int call_create(struct instance *i, const struct config_instance *config,
		       struct errors *errors)
{
	size_t before = errors->n;
	struct host_call call = host_enter(i->ctx, "create");
	void *impl = NULL;
	int r;

	i->ctx->errors = errors;
	r = i->plugin->desc.create(host_table(), i->ctx, &impl);
	i->ctx->errors = NULL;
	host_leave(&call);
	if (r >= 0) {
		i->impl = impl;
		return 0;
	}
	if (errors->n == before) {
		char why[128];

		snprintf(why, sizeof(why), "the plugin refuses: %s", strerror(-r));
		refuse(errors, config, why);
	}
	return INSTANCE_REFUSED;
}

/* 0, or INSTANCE_*. */
static int make_ctx(struct instance *i, const struct config_daemon *daemon,
		    const struct config_instance *config, struct errors *errors)
{
	char *path = state_path(daemon->state_dir, config->plugin, config->name);
	struct options *options = NULL;
	int r = path ? options_parse(&i->plugin->options, config, errors, &options) : -ENOMEM;

	if (r) {
		free(path);
		if (r < 0)
			refuse(errors, config, strerror(-r));
		return INSTANCE_MISCONFIGURED;
	}
	i->ctx = host_ctx_create(config->full, path, options);
	if (!i->ctx)
		refuse(errors, config, "out of memory");
	return i->ctx ? 0 : INSTANCE_REFUSED;
}

int instance_create(const struct config_daemon *daemon, const struct config_instance *config,
		    void (*request)(void *owner), void *owner, struct errors *errors,
		    struct instance **ret)
{
	struct plugin *plugin;
	struct instance *i;
	char why[512];
	int r;

	if (loader_get(daemon->plugin_dir, config->plugin, &plugin, why, sizeof(why))) {
		refuse(errors, config, why);
		return INSTANCE_REFUSED;
	}
	i = calloc(1, sizeof(*i));
	if (!i) {
		refuse(errors, config, "out of memory");
		return INSTANCE_REFUSED;
	}
	i->plugin = plugin;
	r = make_ctx(i, daemon, config, errors);
	if (r)
		goto fail;
	i->ctx->on_request = request;
	i->ctx->owner = owner;
	r = call_create(i, config, errors);
	if (r)
		goto fail;
	*ret = i;
	return 0;
fail:
	host_ctx_destroy(i->ctx);
	free(i);
	return r;
}

void instance_destroy(struct instance *i)
{
	struct host_call call;

	if (!i)
		return;
	i->ctx->on_request = NULL; /* there is nobody left to ask */
	call = host_enter(i->ctx, "destroy");
	i->plugin->desc.destroy(i->impl);
	host_leave(&call);
	host_ctx_destroy(i->ctx);
	free(i);
}

int instance_apply(struct instance *i, const struct hc_snapshot *snapshot, hc_job job)
{
	struct host_call call = host_enter(i->ctx, "apply");
	int r = i->plugin->desc.apply(i->impl, snapshot, job);

	host_leave(&call);
	return r;
}

void instance_cancel(struct instance *i, hc_job job)
{
	struct host_call call;

	if (!i->plugin->desc.cancel)
		return;
	call = host_enter(i->ctx, "cancel");
	i->plugin->desc.cancel(i->impl, job);
	host_leave(&call);
}

int instance_action(struct instance *i, const char *name, uint32_t argc, const char *const *argv,
		    hc_job job)
{
	struct host_call call;
	int r;

	if (!i->plugin->desc.action)
		return -ENOSYS;
	call = host_enter(i->ctx, "action");
	r = i->plugin->desc.action(i->impl, name, argc, argv, job);
	host_leave(&call);
	return r;
}

void instance_status(struct instance *i, host_status_fn fn, void *user)
{
	struct host_call call;

	if (!i->plugin->desc.status)
		return;
	call = host_enter(i->ctx, "status");
	i->ctx->status_fn = fn;
	i->ctx->status_user = user;
	i->plugin->desc.status(i->impl);
	i->ctx->status_fn = NULL;
	host_leave(&call);
}

int64_t instance_timeout(const struct instance *i, const struct config_instance *config)
{
	if (config->timeout_ms > 0)
		return config->timeout_ms;
	return i->plugin->desc.timeout_ms ? i->plugin->desc.timeout_ms : TIMEOUT_DEFAULT_MS;
}

bool instance_wants_incomplete(const struct instance *i)
{
	return i->plugin->desc.flags & HC_PLUGIN_WANTS_INCOMPLETE;
}
