/*
 * minimal.c - the smallest plugin there can be, in C99 and with every feature of the header touched
 */
#include <hotcert/plugin.h>

static int32_t create(const struct hc_host *host, hc_ctx *ctx, void **ret_instance)
{
	if (!HC_HAS(host, status_add))
		return -1;
	host->log(ctx, HC_LOG_INFO, "%s", host->name(ctx));
	*ret_instance = ctx;
	return 0;
}

static void destroy(void *instance)
{
	(void)instance;
}

static int32_t apply(void *instance, const struct hc_snapshot *snapshot, hc_job job)
{
	const struct hc_file *file = hc_snapshot_file(snapshot, 0);
	int64_t lifetime = hc_file_cert(file, 0)->not_after - hc_file_cert(file, 0)->not_before;

	(void)instance;
	(void)job;
	return HC_SHARE_OF(-6600, lifetime) > 0 ? 0 : -1;
}

#ifdef __cplusplus /* by position: C++17 has no designated initializers */
static const struct hc_option options[] = {
	{"one", HC_OPT_STRING, HC_OPT_REQUIRED, NULL, NULL, "An option"},
};

HC_PLUGIN_DEFINE("minimal", "1", "Nothing", 0, 0, options, NULL, 1, sizeof(struct hc_option), 0, 0,
		 create, destroy, apply, NULL, NULL, NULL);
#else
static const struct hc_option options[] = {
	{.name = "one", .type = HC_OPT_STRING, .flags = HC_OPT_REQUIRED, .help = "An option"},
};

HC_PLUGIN_DEFINE(.name = "minimal", .version = "1", .summary = "Nothing", HC_OPTIONS(options),
		 .create = create, .destroy = destroy, .apply = apply);
#endif
