/*
 * bad_operation - apply(), which is mandatory, is missing
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

HC_PLUGIN_DEFINE(.name = "bad_operation", .version = "1", .summary = "", .create = create,
		 .destroy = destroy);
