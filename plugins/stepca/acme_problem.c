#include "stepca/acme_problem.h"

#include "common/json.h"
#include "common/text.h"

#include <string.h>

#define URN "urn:ietf:params:acme:error:"

/* RFC 8555 section 6.7, RFC 8739 section 3.1.2. */
static const struct {
	const char *type;
	enum acme_error error;
	enum ca_verdict verdict;
	const char *advice;
} errors[] = {
	{"accountDoesNotExist", ACME_ERROR_NO_ACCOUNT, CA_RETRY,
	 "the CA has forgotten our account; trying again with a new one"},
	{"badCSR", ACME_ERROR_OTHER, CA_REFUSED,
	 "the CA does not take such a request; try another key_type, or leave out subject"},
	{"badNonce", ACME_ERROR_BAD_NONCE, CA_RETRY, "trying again"},
	{"badPublicKey", ACME_ERROR_OTHER, CA_REFUSED, "try another key_type"},
	{"caa", ACME_ERROR_OTHER, CA_DENIED,
	 "a CAA record in the DNS lets only other CAs issue for this name; add this one"},
	{"connection", ACME_ERROR_OTHER, CA_DENIED,
	 "the CA must reach this host under that name; check DNS, firewall and port"},
	{"dns", ACME_ERROR_OTHER, CA_DENIED, "the CA looked in the DNS; check the name's records"},
	{"externalAccountRequired", ACME_ERROR_OTHER, CA_REFUSED,
	 "get a key id and a MAC key from the CA, for acme_eab_kid and acme_eab_key_file"},
	{"incorrectResponse", ACME_ERROR_OTHER, CA_DENIED,
	 "the CA reached something else than this hotcert; check where the name leads"},
	{"invalidContact", ACME_ERROR_OTHER, CA_REFUSED, "check acme_contact"},
	{"malformed", ACME_ERROR_OTHER, CA_REFUSED,
	 "the CA does not take the request; check sans and subject"},
	{"orderNotReady", ACME_ERROR_NOT_READY, CA_RETRY, "trying again"},
	{"rateLimited", ACME_ERROR_OTHER, CA_RETRY,
	 "the CA limits how often it is asked; waiting as long as it says"},
	{"rejectedIdentifier", ACME_ERROR_OTHER, CA_REFUSED,
	 "the CA does not issue for this name; check sans, and the CA's policy"},
	{"serverInternal", ACME_ERROR_OTHER, CA_RETRY,
	 "the CA is in trouble, its log says why; trying again"},
	{"tls", ACME_ERROR_OTHER, CA_DENIED,
	 "something else than this hotcert may answer there; check where the name leads"},
	{"unauthorized", ACME_ERROR_OTHER, CA_DENIED,
	 "the CA does not accept the proof; check where the name leads, and the account"},
	{"unsupportedContact", ACME_ERROR_OTHER, CA_REFUSED, "check acme_contact"},
	{"unsupportedIdentifier", ACME_ERROR_OTHER, CA_REFUSED,
	 "this CA has no certificates for such names; check sans"},
	{"userActionRequired", ACME_ERROR_OTHER, CA_REFUSED,
	 "the CA wants a person to visit the page it names; then `hotcertctl retry`"},
};

/* Text behind what is there, as far as it fits. */
static void append(char *ret, size_t size, const char *before, const char *text)
{
	size_t len = strlen(ret);

	snprintf(ret + len, size - len, "%s%s", before, text);
}

static void append_json(char *ret, size_t size, const char *before, const json_t *json,
			const char *key)
{
	char clean[240];
	const char *text = json_text(json, key);

	if (!text || !*text)
		return;
	text_clean(text, strlen(text), clean, sizeof(clean));
	append(ret, size, before, clean);
}

static void append_subproblems(char *ret, size_t size, const json_t *list)
{
	const char *before = " (";
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (!json_is_object(item))
			continue;
		append_json(ret, size, before, json_object_get(item, "identifier"), "value");
		append_json(ret, size, ": ", item, "detail");
		before = "; ";
	}
	if (*before == ';')
		append(ret, size, ")", "");
}

static void classify(const char *type, struct acme_problem *ret)
{
	ret->error = ACME_ERROR_OTHER;
	ret->verdict = CA_REFUSED;
	ret->advice = "the CA's log or documentation says more";
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (strcmp(errors[i].type, type) != 0)
			continue;
		ret->error = errors[i].error;
		ret->verdict = errors[i].verdict;
		ret->advice = errors[i].advice;
	}
}

bool acme_problem_parse(const json_t *json, struct acme_problem *ret)
{
	const char *type = json_text(json, "type");

	if (!type || strncmp(type, URN, strlen(URN)) != 0)
		return false;
	type += strlen(URN);
	classify(type, ret);
	text_clean(type, strlen(type), ret->text, 64);
	append_json(ret->text, sizeof(ret->text), ": ", json, "detail");
	append_json(ret->text, sizeof(ret->text), ", see ", json, "instance");
	append_subproblems(ret->text, sizeof(ret->text), json_object_get(json, "subproblems"));
	return true;
}

enum ca_verdict acme_judge(const struct http_reply *reply, const char *what, int64_t now_ms,
			   enum acme_error *ret_error, char why[static CA_WHY_SIZE])
{
	cleanup_json json_t *json = NULL;
	struct acme_problem problem;

	*ret_error = ACME_ERROR_NONE;
	if (reply->result == HTTP_DONE && reply->status >= 200 && reply->status <= 204)
		return CA_DONE;
	if (reply->result == HTTP_DONE)
		json = json_parse_object(reply->body, reply->len);
	if (!acme_problem_parse(json, &problem))
		return ca_judge(reply, what, now_ms, why);
	*ret_error = problem.error;
	snprintf(why, CA_WHY_SIZE, "%s: HTTP %ld: %s; %s", what, reply->status, problem.text,
		 problem.advice);
	return reply->status == 429 || reply->status >= 500 ? CA_RETRY : problem.verdict;
}
