#include "stepca/ca_api.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* What a status means, beyond its number, and what a person can do about it. */
static const struct {
	long status;
	enum ca_verdict verdict;
	const char *advice;
} statuses[] = {
	{200, CA_DONE, ""},
	{201, CA_DONE, ""},
	{400, CA_REFUSED, "the CA does not take the request; its log says why"},
	{401, CA_DENIED, "the CA does not accept who we say we are; its log says why"},
	{403, CA_REFUSED,
	 "compare subject, sans, key_type and lifetime with the provisioner's claims and policy"},
	{404, CA_REFUSED, "check url, fingerprint and provisioner; is it a step-ca?"},
	{408, CA_RETRY, "trying again"},
	{425, CA_RETRY, "trying again"},
	{429, CA_RETRY, "the CA asks us to wait"},
	{501, CA_REFUSED, "this CA does not support it"},
};

static enum ca_verdict judge_status(long status, const char **ret_advice)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status != status)
			continue;
		*ret_advice = statuses[i].advice;
		return statuses[i].verdict;
	}
	*ret_advice = "the CA is in trouble, its log says why; trying again";
	if (status >= 500)
		return CA_RETRY;
	*ret_advice = status >= 300 && status < 400
			      ? "redirects are not followed; let url name the CA itself"
			      : "is it a step-ca? check url";
	return CA_REFUSED;
}

static enum ca_verdict judge_result(const struct http_reply *reply, const char **ret_advice)
{
	switch (reply->result) {
	case HTTP_NOT_VERIFIED:
		*ret_advice = "it does not prove to be our CA; check url and fingerprint, and who "
			      "answers there";
		return CA_REFUSED;
	case HTTP_REFUSED_US:
		*ret_advice = "it may not accept our certificate";
		return CA_RETRY;
	case HTTP_TOO_BIG:
		*ret_advice = "is it a step-ca? check url";
		return CA_RETRY;
	case HTTP_UNREACHABLE:
	case HTTP_DONE:
		break;
	}
	*ret_advice = "is the CA running, and url right? trying again";
	return CA_RETRY;
}

/* The words of an error reply: JSON of several shapes (api, ACME, proxies), or the plain text. */
static void message_of(const struct http_reply *reply, char *ret, size_t size)
{
	static const char *const keys[] = {"message", "detail", "error"};
	cleanup_json json_t *json = json_parse_object(reply->body, reply->len);

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *text = json_text(json, keys[i]);

		if (text && *text) {
			text_clean(text, strlen(text), ret, size);
			return;
		}
	}
	text_clean(reply->body, reply->len, ret, size);
}

/* "; its clock is 2h 0m ahead of ours", where that is enough to break tokens (leeway: 60 s). */
static void explain_skew(const struct http_reply *reply, int64_t now_ms, char *why, size_t size)
{
	int64_t skew = reply->date - now_ms;
	char text[TEXT_TIME_SIZE];
	size_t len = strlen(why);

	if (reply->date == 0 || (skew < 50000 && skew > -50000))
		return;
	snprintf(why + len, size - len, "; its clock is %s %s ours",
		 text_duration(skew < 0 ? -skew : skew, text), skew < 0 ? "behind" : "ahead of");
}

enum ca_verdict ca_judge(const struct http_reply *reply, const char *what, int64_t now_ms,
			 char why[static CA_WHY_SIZE])
{
	char message[240];
	const char *advice;
	enum ca_verdict verdict;

	if (reply->result != HTTP_DONE) {
		verdict = judge_result(reply, &advice);
		snprintf(why, CA_WHY_SIZE, "%s: %s; %s", what, reply->error, advice);
		return verdict;
	}
	verdict = judge_status(reply->status, &advice);
	if (verdict == CA_DONE)
		return CA_DONE;
	message_of(reply, message, sizeof(message));
	snprintf(why, CA_WHY_SIZE, "%s: HTTP %ld%s%s; %s", what, reply->status,
		 *message ? ": " : "", message, advice);
	explain_skew(reply, now_ms, why, CA_WHY_SIZE);
	return verdict;
}

void ca_explain_garbage(const struct http_reply *reply, const char *what,
			char why[static CA_WHY_SIZE])
{
	char text[100];

	text_clean(reply->body, reply->len, text, sizeof(text));
	snprintf(why, CA_WHY_SIZE,
		 "%s: HTTP %ld, but the reply is not a step-ca's: \"%s\"; is a proxy in between? "
		 "check url",
		 what, reply->status, text);
}

/* -- certificates ---------------------------------------------------------------------------- */

static int add_pem(STACK_OF(X509) * certs, const json_t *text)
{
	const char *pem = json_string_value(text);
	cleanup_certs STACK_OF(X509) *more = NULL;
	int n = pem ? pem_parse_certs(pem, strlen(pem), &more) : -EBADMSG;

	if (n <= 0)
		return n < 0 ? n : -EBADMSG;
	while (sk_X509_num(more) > 0) {
		X509 *cert = sk_X509_shift(more);

		if (!sk_X509_push(certs, cert)) {
			X509_free(cert);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Adds a PEM string or an array of them. */
static int add_pems(STACK_OF(X509) * certs, const json_t *texts)
{
	size_t i;
	json_t *text;
	int r = 0;

	if (!json_is_array(texts))
		return add_pem(certs, texts);
	json_array_foreach(texts, i, text)
	{
		r = add_pem(certs, text);
		if (r < 0)
			break;
	}
	return r;
}

/* The certificates under one key, then those under another (may be NULL). */
static int parse_certs(const struct http_reply *reply, const char *key, const char *then,
		       STACK_OF(X509) * *ret_certs)
{
	cleanup_json json_t *json = json_parse_object(reply->body, reply->len);
	cleanup_certs STACK_OF(X509) *certs = sk_X509_new_null();
	int r;

	if (!certs)
		return -ENOMEM;
	r = add_pems(certs, json_object_get(json, key));
	if (r == 0 && then)
		r = add_pems(certs, json_object_get(json, then));
	if (r < 0)
		return r;
	if (sk_X509_num(certs) == 0)
		return -EBADMSG;
	*ret_certs = steal(&certs);
	return 0;
}

int ca_parse_root(const struct http_reply *reply, STACK_OF(X509) * *ret_certs)
{
	return parse_certs(reply, "ca", NULL, ret_certs);
}

int ca_parse_roots(const struct http_reply *reply, STACK_OF(X509) * *ret_certs)
{
	return parse_certs(reply, "crts", NULL, ret_certs);
}

int ca_parse_chain(const struct http_reply *reply, STACK_OF(X509) * *ret_certs)
{
	int r = parse_certs(reply, "certChain", NULL, ret_certs);

	return r == -EBADMSG ? parse_certs(reply, "crt", "ca", ret_certs) : r;
}

/* -- provisioners ---------------------------------------------------------------------------- */

void ca_provisioner_finish(struct ca_provisioner *p)
{
	free(p->kid);
	free(p->algorithm);
	free(p->encrypted_key);
	*p = (struct ca_provisioner){0};
}

static int copy_text(const json_t *object, const char *key, char **ret)
{
	const char *text = json_text(object, key);

	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

/* A Go duration (time.ParseDuration) in milliseconds: "24h0m0s". 0: none, or none that counts. */
static int64_t parse_duration(const char *text)
{
	double total = 0;

	while (text && *text) {
		char *unit;
		double n = strtod(text, &unit);
		size_t len = strcspn(unit, "0123456789.");

		if (unit == text || n < 0 || n > 1e12)
			return 0;
		if (len == 1 && *unit == 'h')
			n *= 3600e3;
		else if (len == 1 && *unit == 'm')
			n *= 60e3;
		else if (len == 1 && *unit == 's')
			n *= 1e3;
		else if (len != 2 || strncmp(unit, "ms", 2) != 0)
			n = 0; /* finer than anybody needs */
		total += n;
		text = unit + len;
	}
	return total < 9e15 ? (int64_t)total : 0;
}

static int take_provisioner(const json_t *item, const char *wanted, struct ca_provisioner *ret)
{
	const json_t *key = json_object_get(item, "key");
	const json_t *claims = json_object_get(item, "claims");
	const char *type = json_text(item, "type");

	if (!type || strcasecmp(type, wanted) != 0)
		return CA_PROVISIONER_OTHER_TYPE;
	ret->min_lifetime = parse_duration(json_text(claims, "minTLSCertDuration"));
	ret->max_lifetime = parse_duration(json_text(claims, "maxTLSCertDuration"));
	if (strcasecmp(type, "JWK") != 0)
		return CA_PROVISIONER_FOUND;
	if (!json_text(key, "kid"))
		return -EBADMSG;
	if (copy_text(key, "kid", &ret->kid) < 0 || copy_text(key, "alg", &ret->algorithm) < 0 ||
	    copy_text(item, "encryptedKey", &ret->encrypted_key) < 0) {
		ca_provisioner_finish(ret);
		return -ENOMEM;
	}
	return CA_PROVISIONER_FOUND;
}

/* The cursor goes into a URL as it is, so it must be of plain characters. */
static int next_page(const json_t *json, char **ret_cursor)
{
	const char *cursor = json_text(json, "nextCursor");

	if (!cursor || !*cursor)
		return CA_PROVISIONER_ABSENT;
	if (strspn(cursor, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") !=
	    strlen(cursor))
		return -EBADMSG;
	*ret_cursor = strdup(cursor);
	return *ret_cursor ? CA_PROVISIONER_NEXT_PAGE : -ENOMEM;
}

int ca_parse_provisioners(const struct http_reply *reply, const char *name, const char *type,
			  struct ca_provisioner *ret, char **ret_cursor)
{
	cleanup_json json_t *json = json_parse_object(reply->body, reply->len);
	const json_t *list = json_object_get(json, "provisioners");
	size_t i;
	json_t *item;

	if (!json_is_array(list))
		return -EBADMSG;
	json_array_foreach(list, i, item)
	{
		const char *its_name = json_text(item, "name");

		if (its_name && strcmp(its_name, name) == 0)
			return take_provisioner(item, type, ret);
	}
	return next_page(json, ret_cursor);
}
