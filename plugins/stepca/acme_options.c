#include "stepca/acme_options.h"

#include "common/mem.h"
#include "common/words.h"
#include "stepca/acme_listen.h"
#include "stepca/names.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

struct reader {
	const struct acme_section *section;
	struct acme_options *o;
	bool bad;
};

#define FAULT(r, key, ...)                                                                         \
	((r)->bad = true, (r)->section->host->opt_error((r)->section->ctx, (key), __VA_ARGS__))

static const char *text(const struct reader *r, const char *key)
{
	return r->section->host->opt_string(r->section->ctx, key);
}

static bool is_set(const struct reader *r, const char *key)
{
	return r->section->host->opt_is_set(r->section->ctx, key);
}

char *acme_origin(const char *url)
{
	size_t host = 8 + (strncasecmp(url, "https://", 8) == 0 ? strcspn(url + 8, "/?#") : 0);

	return host > 8 ? strndup(url, host) : NULL;
}

static enum acme_challenge challenge_of(const char *word)
{
	static const char *const words[] = {
		[ACME_HTTP_01] = "http-01",
		[ACME_TLS_ALPN_01] = "tls-alpn-01",
		[ACME_DNS_01] = "dns-01",
	};

	for (size_t i = ACME_HTTP_01; word && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return (enum acme_challenge)i;
	return ACME_NONE;
}

/* The keys that count with one challenge only; a key that is passed over is a mistake. */
static void refuse_stray_keys(struct reader *r)
{
	static const struct {
		const char *key;
		enum acme_challenge with; /* ACME_NONE: any */
	} keys[] = {
		{"acme_directory", ACME_NONE},	  {"acme_contact", ACME_NONE},
		{"acme_agree_tos", ACME_NONE},	  {"acme_eab_kid", ACME_NONE},
		{"acme_eab_key_file", ACME_NONE}, {"webroot", ACME_HTTP_01},
		{"http_listen", ACME_HTTP_01},	  {"tls_listen", ACME_TLS_ALPN_01},
		{"dns_hook", ACME_DNS_01},	  {"dns_delay", ACME_DNS_01},
		{"dns_timeout", ACME_DNS_01},
	};
	static const char *const names[] = {"http-01, tls-alpn-01 or dns-01", "http-01",
					    "tls-alpn-01", "dns-01"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		enum acme_challenge with = keys[i].with;

		bool counts =
			with == ACME_NONE ? r->o->challenge != ACME_NONE : r->o->challenge == with;

		if (counts || !is_set(r, keys[i].key))
			continue;
		FAULT(r, keys[i].key, "counts only with challenge = %s", names[with]);
	}
}

/* A name as a segment of a path (RFC 3986 section 2.3). NULL: out of memory. */
static char *escape(const char *name)
{
	char *out = malloc(3 * strlen(name) + 1), *end = out;

	for (; out && *name; name++) {
		unsigned char c = (unsigned char)*name;

		end += sprintf(end, isalnum(c) || strchr("-._~", c) ? "%c" : "%%%02X", c);
	}
	if (out)
		*end = '\0';
	return out;
}

/* step-ca's own, unless it is configured: docs of its ACME provisioner. */
static int read_directory(struct reader *r)
{
	const char *own = text(r, "acme_directory");
	const char *provisioner = r->section->provisioner ? r->section->provisioner : "acme";
	cleanup_free char *escaped = escape(provisioner);
	cleanup_free char *origin = own ? acme_origin(own) : NULL;

	r->o->foreign = own != NULL;
	if (own && (!origin || strpbrk(own, " \t#@")))
		FAULT(r, "acme_directory", "\"%s\" is not of the form https://HOST[:PORT]/PATH",
		      own);
	if (own)
		r->o->directory = strdup(own);
	else if (!escaped ||
		 asprintf(&r->o->directory, "%s/acme/%s/directory", r->section->url, escaped) < 0)
		r->o->directory = NULL;
	return r->o->directory ? 0 : -ENOMEM;
}

static void read_account(struct reader *r)
{
	const struct acme_section *s = r->section;

	s->host->opt_list(s->ctx, "acme_contact", &r->o->contact);
	for (const char *const *c = r->o->contact; *c; c++)
		if (!strchr(*c, '@') || strpbrk(*c, " \t<>?,"))
			FAULT(r, "acme_contact", "\"%s\" is no e-mail address", *c);
	r->o->agree_tos = s->host->opt_int(s->ctx, "acme_agree_tos");
	r->o->eab_kid = text(r, "acme_eab_kid");
	if (!r->o->eab_kid != !text(r, "acme_eab_key_file"))
		FAULT(r, r->o->eab_kid ? "acme_eab_key_file" : "acme_eab_kid",
		      "is missing: a key id and its key belong together");
}

static void read_listener(struct reader *r, const char *key, const char **ret)
{
	struct sockaddr_storage addr;

	*ret = text(r, key);
	if (acme_listen_parse(*ret, &addr) < 0)
		FAULT(r, key, "\"%s\" is not of the form :PORT, ADDRESS:PORT or [ADDRESS]:PORT",
		      *ret);
}

static int read_dns(struct reader *r)
{
	const struct acme_section *s = r->section;
	const char *line = text(r, "dns_hook"), *why;
	int n;

	r->o->dns_delay = s->host->opt_int(s->ctx, "dns_delay");
	r->o->dns_timeout = s->host->opt_int(s->ctx, "dns_timeout");
	if (r->o->dns_timeout < 100)
		FAULT(r, "dns_timeout", "must be 100ms or more");
	if (!line) {
		FAULT(r, "dns_hook", "is missing: something has to change the zone");
		return 0;
	}
	n = words_split(line, &r->o->dns_hook, &why);
	if (n == -EINVAL)
		FAULT(r, "dns_hook", "%s", why);
	return n == -ENOMEM ? n : 0;
}

static int read_challenge(struct reader *r)
{
	switch (r->o->challenge) {
	case ACME_HTTP_01:
		r->o->webroot = text(r, "webroot");
		if (r->o->webroot && is_set(r, "http_listen"))
			FAULT(r, "http_listen", "give either this or webroot");
		read_listener(r, "http_listen", &r->o->http_listen);
		return 0;
	case ACME_TLS_ALPN_01:
		read_listener(r, "tls_listen", &r->o->tls_listen);
		return 0;
	case ACME_DNS_01:
		return read_dns(r);
	case ACME_NONE:
		break;
	}
	return 0;
}

/* What the challenge can't show, no CA will sign: RFC 8555 section 8, RFC 8738 section 7. */
static void check_name(struct reader *r, const GENERAL_NAME *name)
{
	cleanup_free char *its = name_text(name);
	const char *shown = its ? its : "?";

	if (name->type != GEN_DNS && name->type != GEN_IPADD)
		FAULT(r, "sans", "\"%s\": ACME knows only DNS names and IP addresses", shown);
	else if (name->type == GEN_IPADD && r->o->challenge == ACME_DNS_01)
		FAULT(r, "sans", "\"%s\": an address takes challenge = http-01 or tls-alpn-01",
		      shown);
	else if (strncmp(shown, "*.", 2) == 0 && r->o->challenge != ACME_DNS_01)
		FAULT(r, "sans", "\"%s\": a wildcard takes challenge = dns-01", shown);
}

static void check_names(struct reader *r)
{
	const GENERAL_NAMES *names = r->section->names;
	const char *subject = r->section->subject;
	bool found = !subject;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		cleanup_free char *name = name_text(sk_GENERAL_NAME_value(names, i));

		check_name(r, sk_GENERAL_NAME_value(names, i));
		found = found || (name && strcasecmp(name, subject) == 0);
	}
	if (!found && names)
		FAULT(r, "subject",
		      "\"%s\" must be one of sans too: over ACME a CA signs only what it has "
		      "checked",
		      subject);
}

int acme_options_init(struct acme_options *o, const struct acme_section *section)
{
	struct reader r = {section, o, false};

	o->challenge_name = text(&r, "challenge");
	o->challenge = challenge_of(o->challenge_name);
	refuse_stray_keys(&r);
	if (o->challenge != ACME_NONE) {
		if (read_directory(&r) < 0 || read_challenge(&r) < 0)
			return -ENOMEM;
		read_account(&r);
		check_names(&r);
	}
	return r.bad ? -EINVAL : 0;
}

const char *acme_common_name(const struct acme_options *o, const char *subject)
{
	enum name_type type;
	const char *value;

	if (o->challenge == ACME_NONE)
		return subject;
	return name_classify(subject, &type, &value) && type == NAME_DNS ? subject : NULL;
}

void acme_options_finish(struct acme_options *o)
{
	free(o->directory);
	free(o->dns_hook);
	*o = (struct acme_options){0};
}
