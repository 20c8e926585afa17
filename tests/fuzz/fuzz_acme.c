/*
 * Feeds any bytes to what reads an ACME server's replies, and to what reads a stranger's request at
 * our http-01 listener. The first byte says what the rest is taken for.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Icore/include -Iplugins
 *		tests/fuzz/fuzz_acme.c plugins/stepca/acme_{object,problem,listen_http,proof}.c
 *		plugins/stepca/{b64,ca_api,names}.c plugins/common/{pem,text}.c
 *		-ljansson -lcrypto -lssl -o fuzz_acme
 *	./fuzz_acme NEW-CORPUS tests/fuzz/corpus/acme
 */
#include "common/json.h"
#include "common/mem.h"
#include "stepca/acme_conn.h"
#include "stepca/acme_object.h"
#include "stepca/acme_proof.h"
#include "stepca/names.h"

#include "input.h"
#include "reply.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One listener with one answer, in the place of acme_listen.c. */
const struct acme_answer *acme_listener_find(const struct acme_listener *listener, const char *key)
{
	static const struct acme_answer answer = {.key = "token", .content = "token.thumbprint"};

	(void)listener;
	return strcmp(key, answer.key) == 0 ? &answer : NULL;
}

static void is_url(const char *url)
{
	assert(strncasecmp(url, "https://", 8) == 0);
	for (; *url; url++)
		assert(*url > ' ' && *url <= '~');
}

static void take_directory(const struct http_reply *reply)
{
	struct acme_directory d = {0};

	if (acme_directory_parse(reply, &d) < 0)
		return;
	is_url(d.new_nonce);
	is_url(d.new_account);
	is_url(d.new_order);
	acme_directory_finish(&d);
}

static void take_order(const struct http_reply *reply)
{
	static const char *const list[] = {"a.example", "10.0.0.1", NULL};
	struct acme_order order = {0};
	GENERAL_NAMES *names = NULL;
	const char *bad;

	assert(names_build(list, &names, &bad) == 0);
	(void)acme_order_is_for(reply, names);
	GENERAL_NAMES_free(names);
	if (acme_order_parse(reply, &order) < 0)
		return;
	is_url(order.finalize);
	is_one_line(order.error);
	assert(order.n > 0);
	for (size_t i = 0; i < order.n; i++)
		is_url(order.authorizations[i]);
	if (order.status == ACME_VALID)
		is_url(order.certificate);
	acme_order_finish(&order);
}

static void take_authz(const struct http_reply *reply)
{
	struct acme_authz z = {0};

	if (acme_authz_parse(reply, "http-01", &z) < 0)
		return;
	is_one_line(z.offered);
	if (z.failed)
		is_one_line(z.problem.text);
	if (z.url) {
		cleanup_free char *name = acme_server_name(z.name, z.is_ip);

		is_url(z.url);
		assert(*z.token && !strpbrk(z.token, "/.\\ %"));
	}
	acme_authz_finish(&z);
}

static void take_problem(struct http_reply *reply)
{
	char why[CA_WHY_SIZE] = "";
	enum acme_error error;

	reply->status = 403;
	assert(acme_judge(reply, "POST https://ca/", 1800000000000, &error, why) != CA_DONE);
	assert(*why && strlen(why) < sizeof(why));
	is_one_line(why);
}

static void take_request(const char *request)
{
	cleanup_free char *reply = acme_http_reply(NULL, request);

	assert(strncmp(reply, "HTTP/1.1 ", 9) == 0);
	assert(!strstr(reply, "thumbprint") ||
	       strstr(request, "/.well-known/acme-challenge/token "));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = input_text(data, size);
	struct http_reply reply;

	if (!text)
		return 0;
	reply = reply_of(text);
	switch (data[0] % 5) {
	case 0:
		take_directory(&reply);
		break;
	case 1:
		take_order(&reply);
		break;
	case 2:
		take_authz(&reply);
		break;
	case 3:
		take_problem(&reply);
		break;
	default:
		take_request(text);
	}
	return 0;
}
