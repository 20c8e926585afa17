/*
 * bad_undefined - needs a function that nobody has
 */
#include <hotcert/plugin.h>

void nobody_has_this(void *instance);
int32_t nobody_has_that(const struct hc_host *host, hc_ctx *ctx, void **ret_instance);
int32_t nobody_applies(void *instance, const struct hc_snapshot *snapshot, hc_job job);

HC_PLUGIN_DEFINE(.name = "bad_undefined", .version = "1", .summary = "", .create = nobody_has_that,
		 .destroy = nobody_has_this, .apply = nobody_applies);
