/*
 * plugins/instance - one configured use of a plugin, and the calls into it
 */
#ifndef HC_PLUGINS_INSTANCE_H
#define HC_PLUGINS_INSTANCE_H

#include "model/config.h"
#include "plugins/host.h"

struct instance {
	const struct plugin *plugin;
	struct hc_ctx *ctx;
	void *impl; /* the plugin's */
};

enum {
	INSTANCE_MISCONFIGURED = 1, /* the option table says no: the configuration is wrong */
	INSTANCE_REFUSED = 2,	    /* the plugin can't be loaded, or its create() says no */
};

/*
 * Loads the plugin, checks the options, calls create(). Returns 0, or one of the above where
 * errors were added. request(owner) is called when the plugin asks for apply().
 */
int instance_create(const struct config_daemon *daemon, const struct config_instance *config,
		    void (*request)(void *owner), void *owner, struct errors *errors,
		    struct instance **ret);
/* No job may be in flight. Takes NULL. */
void instance_destroy(struct instance *instance);

/* The plugin's operations; a missing optional one does nothing (action: -ENOSYS). */
int instance_apply(struct instance *i, const struct hc_snapshot *snapshot, hc_job job);
void instance_cancel(struct instance *i, hc_job job);
int instance_action(struct instance *i, const char *name, uint32_t argc, const char *const *argv,
		    hc_job job);
void instance_status(struct instance *i, host_status_fn fn, void *user);

/* Key `timeout`, else the plugin's default, else 60 s. */
int64_t instance_timeout(const struct instance *i, const struct config_instance *config);
bool instance_wants_incomplete(const struct instance *i);

#endif
