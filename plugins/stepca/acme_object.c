#include "stepca/acme_object.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/text.h"
#include "stepca/names.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
	AUTHORIZATIONS_MAX = 1000,
	TOKEN_MAX = 256,
	URL_MAX = 2048,
};

static enum acme_status status_of(const json_t *json)
{
	static const char *const names[] = {"pending", "ready", "processing", "valid"};
	const char *text = json_text(json, "status");

	for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], text) == 0)
			return (enum acme_status)i;
	return ACME_INVALID;
}

/* A URL that we may go to: https, printable, of reasonable length. */
static int copy_url(const json_t *text, char **ret)
{
	const char *url = json_string_value(text);

	if (!url || strncasecmp(url, "https://", 8) != 0 || strlen(url) > URL_MAX)
		return -EBADMSG;
	for (const char *c = url; *c; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return -EBADMSG;
	*ret = strdup(url);
	return *ret ? 0 : -ENOMEM;
}

static int copy_url_of(const json_t *object, const char *key, char **ret)
{
	return copy_url(json_object_get(object, key), ret);
}

/* -- directory ------------------------------------------------------------------------------- */

void acme_directory_finish(struct acme_directory *d)
{
	free(d->new_nonce);
	free(d->new_account);
	free(d->new_order);
	free(d->terms);
	*d = (struct acme_directory){0};
}

int acme_directory_parse(const struct http_reply *reply, struct acme_directory *ret)
{
	cleanup_json json_t *json = json_parse_object(reply->body, reply->len);
	const json_t *meta = json_object_get(json, "meta");
	struct acme_directory d = {0};
	int r = copy_url_of(json, "newNonce", &d.new_nonce);

	if (r == 0)
		r = copy_url_of(json, "newAccount", &d.new_account);
	if (r == 0)
		r = copy_url_of(json, "newOrder", &d.new_order);
	/* Only ever shown to a person, so http will do; what is no URL, nobody can agree to. */
	if (r == 0 && json_text(meta, "termsOfService")) {
		d.terms = strdup(json_text(meta, "termsOfService"));
		r = d.terms ? 0 : -ENOMEM;
	}
	d.binding_required = json_is_true(json_object_get(meta, "externalAccountRequired"));
	if (r == 0)
		*ret = d;
	else
		acme_directory_finish(&d);
	return r;
}

/* -- order ----------------------------------------------------------------------------------- */

void acme_order_finish(struct acme_order *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->authorizations[i]);
	free(o->authorizations);
	free(o->finalize);
	free(o->certificate);
	*o = (struct acme_order){0};
}

static int copy_authorizations(const json_t *list, struct acme_order *o)
{
	size_t n = json_array_size(list);
	int r = 0;

	if (n == 0 || n > AUTHORIZATIONS_MAX)
		return -EBADMSG;
	o->authorizations = calloc(n, sizeof(*o->authorizations));
	if (!o->authorizations)
		return -ENOMEM;
	for (o->n = 0; o->n < n && r == 0; o->n++)
		r = copy_url(json_array_get(list, o->n), &o->authorizations[o->n]);
	return r;
}

int acme_order_parse(const struct http_reply *reply, struct acme_order *ret)
{
	cleanup_json json_t *json = json_parse_object(reply->body, reply->len);
	struct acme_order o = {.status = status_of(json)};
	struct acme_problem problem;
	int r = copy_url_of(json, "finalize", &o.finalize);

	if (r == 0 && json_object_get(json, "certificate"))
		r = copy_url_of(json, "certificate", &o.certificate);
	if (r == 0)
		r = copy_authorizations(json_object_get(json, "authorizations"), &o);
	if (r == 0 && o.status == ACME_VALID && !o.certificate)
		r = -EBADMSG;
	if (acme_problem_parse(json_object_get(json, "error"), &problem))
		memcpy(o.error, problem.text, sizeof(o.error));
	if (r == 0)
		*ret = o;
	else
		acme_order_finish(&o);
	return r;
}

/* -- authorization --------------------------------------------------------------------------- */

void acme_authz_finish(struct acme_authz *a)
{
	free(a->name);
	free(a->url);
	free(a->token);
	*a = (struct acme_authz){0};
}

/* Section 8.1: base64url, and so fit for a path. */
static int copy_token(const json_t *challenge, char **ret)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *token = json_text(challenge, "token");
	size_t len = token ? strlen(token) : 0;

	if (len == 0 || len > TOKEN_MAX || strspn(token, digits) != len)
		return -EBADMSG;
	*ret = strdup(token);
	return *ret ? 0 : -ENOMEM;
}

static int take_challenge(const json_t *challenge, struct acme_authz *a)
{
	int r = copy_url_of(challenge, "url", &a->url);

	if (r == 0)
		r = copy_token(challenge, &a->token);
	a->challenge = status_of(challenge);
	a->failed = acme_problem_parse(json_object_get(challenge, "error"), &a->problem);
	return r;
}

static void note_offer(const char *type, struct acme_authz *a)
{
	char clean[32];
	size_t len = strlen(a->offered);

	text_clean(type, strlen(type), clean, sizeof(clean));
	snprintf(a->offered + len, sizeof(a->offered) - len, "%s%s", len ? ", " : "", clean);
}

static int take_challenges(const json_t *list, const char *kind, struct acme_authz *a)
{
	const json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, item)
	{
		const char *type = json_text(item, "type");

		if (!type)
			return -EBADMSG;
		note_offer(type, a);
		if (strcmp(type, kind) == 0 && !a->url)
			r = take_challenge(item, a);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_identifier(const json_t *identifier, struct acme_authz *a)
{
	const char *type = json_text(identifier, "type");
	const char *value = json_text(identifier, "value");

	if (!type || !value || !*value)
		return -EBADMSG;
	/* step-ca leaves the wildcard in the name, others don't (section 7.1.4). */
	if (strncmp(value, "*.", 2) == 0)
		value += 2;
	a->is_ip = strcmp(type, "ip") == 0;
	a->name = strdup(value);
	return a->name ? 0 : -ENOMEM;
}

int acme_authz_parse(const struct http_reply *reply, const char *challenge, struct acme_authz *ret)
{
	cleanup_json json_t *json = json_parse_object(reply->body, reply->len);
	struct acme_authz a = {.status = status_of(json)};
	int r = take_identifier(json_object_get(json, "identifier"), &a);

	if (r == 0)
		r = take_challenges(json_object_get(json, "challenges"), challenge, &a);
	if (r == 0)
		*ret = a;
	else
		acme_authz_finish(&a);
	return r;
}

/* -- identifiers ----------------------------------------------------------------------------- */

static bool has_identifier(const json_t *list, const json_t *wanted)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *type = json_text(item, "type"), *value = json_text(item, "value");

		if (type && value && strcmp(type, json_text(wanted, "type")) == 0 &&
		    strcasecmp(value, json_text(wanted, "value")) == 0)
			return true;
	}
	return false;
}

static json_t *identifier_of(const GENERAL_NAME *name)
{
	cleanup_free char *text = name_text(name);

	if (!text)
		return NULL;
	return json_pack("{ss ss}", "type", name->type == GEN_IPADD ? "ip" : "dns", "value", text);
}

/* Each name once, however often it is configured. */
static json_t *identifiers_of(const GENERAL_NAMES *names)
{
	json_t *list = json_array();

	for (int i = 0; list && i < sk_GENERAL_NAME_num(names); i++) {
		cleanup_json json_t *item = identifier_of(sk_GENERAL_NAME_value(names, i));

		if (item && has_identifier(list, item))
			continue;
		if (!item || json_array_append(list, item) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *acme_order_request(const GENERAL_NAMES *names, int64_t not_after)
{
	json_t *list = identifiers_of(names);
	char end[TEXT_TIME_SIZE];

	return list ? json_pack("{so ss*}", "identifiers", list, "notAfter",
				not_after ? text_time(not_after, end) : NULL)
		    : NULL;
}

bool acme_order_is_for(const struct http_reply *reply, const GENERAL_NAMES *names)
{
	cleanup_json json_t *json = json_parse_object(reply->body, reply->len);
	cleanup_json json_t *ours = identifiers_of(names);
	const json_t *theirs = json_object_get(json, "identifiers");
	const json_t *item;
	size_t i;

	if (!ours || json_array_size(theirs) != json_array_size(ours))
		return false;
	json_array_foreach(ours, i, item)
	{
		if (!has_identifier(theirs, item))
			return false;
	}
	return true;
}
