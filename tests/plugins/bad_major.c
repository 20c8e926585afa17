/*
 * bad_major - of an ABI that this host does not know
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

HC_EXPORT extern const struct hc_plugin hc_plugin_v1;
const struct hc_plugin hc_plugin_v1 = {
	.abi_major = HC_ABI_MAJOR + 1,
	.size = sizeof(struct hc_plugin),
	.name = "bad_major",
	.version = "1",
	.summary = "",
	.create = create,
	.destroy = destroy,
	.apply = apply,
};
