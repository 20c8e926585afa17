/*
 * Feeds any bytes to what reads a step-ca's replies. The first byte says which reply the rest is
 * taken for.
 */
#include "common/json.h"
#include "common/mem.h"
#include "stepca/ca_api.h"

#include "input.h"
#include "reply.h"

#include <assert.h>
#include <openssl/err.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_certs(int (*parse)(const struct http_reply *, STACK_OF(X509) **),
		       const struct http_reply *reply)
{
	cleanup_certs STACK_OF(X509) *certs = NULL;
	int r = parse(reply, &certs);

	assert(r == 0 ? sk_X509_num(certs) > 0 : !certs);
	for (int i = 0; i < sk_X509_num(certs); i++)
		assert(sk_X509_value(certs, i));
	ERR_clear_error();
}

static void take_provisioners(const struct http_reply *reply)
{
	struct ca_provisioner p = {0};
	cleanup_free char *cursor = NULL;
	int r = ca_parse_provisioners(reply, "admin", "JWK", &p, &cursor);

	assert((r == CA_PROVISIONER_NEXT_PAGE) == (cursor != NULL));
	if (r == CA_PROVISIONER_FOUND)
		assert(p.kid && p.min_lifetime >= 0 && p.max_lifetime >= 0);
	ca_provisioner_finish(&p);
}

static void take_error(struct http_reply *reply, long status)
{
	char why[CA_WHY_SIZE] = "";

	reply->status = status;
	if (ca_judge(reply, "POST https://ca/1.0/sign", 1800000000000, why) == CA_DONE)
		ca_explain_garbage(reply, "POST https://ca/1.0/sign", why);
	assert(*why && strlen(why) < sizeof(why));
	is_one_line(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const long errors[] = {200, 302, 400, 401, 403, 404, 429, 500, 503};
	cleanup_free char *text = input_text(data, size);
	struct http_reply reply;

	if (!text)
		return 0;
	reply = reply_of(text);
	switch (data[0] % 16) {
	case 0:
		take_certs(ca_parse_root, &reply);
		break;
	case 1:
		take_certs(ca_parse_roots, &reply);
		break;
	case 2:
		take_certs(ca_parse_chain, &reply);
		break;
	case 3:
		take_provisioners(&reply);
		break;
	default:
		take_error(&reply, errors[(data[0] % 16 - 4) % (sizeof(errors) / sizeof(*errors))]);
	}
	return 0;
}
