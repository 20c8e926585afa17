/*
 * bad_name - its name is not that of its file
 */
#include <hotcert/plugin.h>

static int32_t create(const struct hc_host *host, hc_ctx *ctx, void **ret_instance)
{
	(void)host;
	*ret_instance = ctx;
	return 0;
}

static void destroy(void *instance)
{
	(void)instance;
}

static int32_t apply(void *instance, const struct hc_snapshot *snapshot, hc_job job)
{
	(void)instance;
	(void)snapshot;
	(void)job;
	return 0;
}

HC_PLUGIN_DEFINE(.name = "somebody_else", .version = "1", .summary = "", .create = create,
		 .destroy = destroy, .apply = apply);
