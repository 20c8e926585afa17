/*
 * bad_options - an option whose help was forgotten
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

static const struct hc_option options[] = {
	{.name = "one", .type = HC_OPT_STRING, .help = "Good"},
	{.name = "two", .type = HC_OPT_STRING},
};

HC_PLUGIN_DEFINE(.name = "bad_options", .version = "1", .summary = "", HC_OPTIONS(options),
		 .create = create, .destroy = destroy, .apply = apply);
