#include "stepca/ca_api.h"

#include "common/json.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <strings.h>

char *ca_sign_request(const char *csr_pem, const char *token, int64_t lifetime_ms,
		      const json_t *template_data)
{
	cleanup_json json_t *json = json_pack("{ss ss}", "csr", csr_pem, "ott", token);
	char duration[32];

	if (!json)
		return NULL;
	/* A Go duration counts from notBefore: api.SignRequest. */
	snprintf(duration, sizeof(duration), "%" PRId64 "ms", lifetime_ms);
	if (lifetime_ms > 0 && json_object_set_new(json, "notAfter", json_string(duration)) < 0)
		return NULL;
	if (template_data && json_object_set(json, "templateData", (json_t *)template_data) < 0)
		return NULL;
	return json_dumps(json, JSON_COMPACT);
}

char *ca_rekey_request(const char *csr_pem)
{
	cleanup_json json_t *json = json_pack("{ss}", "csr", csr_pem);

	return json ? json_dumps(json, JSON_COMPACT) : NULL;
}

/* RFC 5280 section 5.3.1; api.RevokeRequest takes the number and any text. */
static const char *const reasons[] = {
	"unspecified",	 "keyCompromise",	 "cACompromise",    "affiliationChanged",
	"superseded",	 "cessationOfOperation", "certificateHold", NULL,
	"removeFromCRL", "privilegeWithdrawn",	 "aACompromise",
};

enum { N_REASONS = sizeof(reasons) / sizeof(reasons[0]) };

int ca_reason_code(const char *word)
{
	for (int i = 0; i < N_REASONS; i++)
		if (reasons[i] && strcasecmp(reasons[i], word) == 0)
			return i;
	return -EINVAL;
}

char *ca_revoke_request(const char *serial, int reason, const char *token)
{
	cleanup_json json_t *json = json_pack("{ss si ss sb}", "serial", serial, "reasonCode",
					      reason, "reason", reasons[reason], "passive", 1);

	if (!json || (token && json_object_set_new(json, "ott", json_string(token)) < 0))
		return NULL;
	return json_dumps(json, JSON_COMPACT);
}
