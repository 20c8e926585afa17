#include "stepca/options.h"

#include "common/mem.h"
#include "common/words.h"
#include "stepca/names.h"

#include <errno.h>
#include <grp.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <string.h>

/* What reading an option needs to report its faults. */
struct reader {
	const struct hc_host *host;
	hc_ctx *ctx;
	struct options *o;
	bool bad;
};

#define FAULT(r, key, ...) ((r)->bad = true, (r)->host->opt_error((r)->ctx, (key), __VA_ARGS__))

static const char *text(const struct reader *r, const char *key)
{
	return r->host->opt_string(r->ctx, key);
}

static int read_url(struct reader *r)
{
	const char *directory = text(r, "acme_directory"), *given = text(r, "url");
	cleanup_free char *origin = !given && directory ? acme_origin(directory) : NULL;
	const char *url = given ? given : origin ? origin : "";
	size_t len = strlen(url);

	if (!*url)
		FAULT(r, "url", "is missing: it, or acme_directory, names the CA");
	else if (strncasecmp(url, "https://", 8) != 0 || !url[8] || strpbrk(url, " \t?#@"))
		FAULT(r, "url", "\"%s\" is not of the form https://HOST[:PORT]", url);
	while (len > 0 && url[len - 1] == '/')
		len--;
	r->o->url = strndup(url, len);
	return r->o->url ? 0 : -ENOMEM;
}

static void read_trust(struct reader *r)
{
	const char *fingerprint = text(r, "fingerprint");

	r->o->root = text(r, "root");
	if (fingerprint && pem_parse_fingerprint(fingerprint, r->o->fingerprint) < 0)
		FAULT(r, "fingerprint",
		      "is not the 64 hex digits of a SHA-256; `step certificate fingerprint "
		      "root_ca.crt` shows it");
	r->o->has_fingerprint = fingerprint != NULL;
	if (!fingerprint && !r->o->root)
		FAULT(r, "fingerprint", "is missing: give it or root, else no CA can be trusted");
}

static const char *const credentials[] = {
	[BY_PASSWORD] = "password_file", [BY_X5C] = "x5c_cert",
	[BY_TOKEN_FILE] = "token_file",	 [BY_TOKEN_COMMAND] = "token_command",
	[BY_ACME] = "challenge",
};

/* What proves who we are, for the first certificate: one of them. With x5c_key, the password is its
 * own. */
static int read_credential(struct reader *r)
{
	int found = -1;

	for (int i = 0; i <= BY_ACME; i++) {
		if (!text(r, credentials[i]) ||
		    (i == BY_PASSWORD && (r->o->x5c_cert || r->o->x5c_key)))
			continue;
		if (found >= 0) {
			FAULT(r, credentials[i], "give either this or %s", credentials[found]);
			return -EINVAL;
		}
		found = i;
	}
	if (found < 0 && r->o->x5c_key) {
		FAULT(r, "x5c_key", "x5c_cert and x5c_key go together; give both");
		return -EINVAL;
	}
	if (found < 0) {
		FAULT(r, "password_file",
		      "is missing: give it, or x5c_cert, token_file, token_command or challenge");
		return -EINVAL;
	}
	r->o->credential = (enum credential)found;
	return 0;
}

static void read_credentials(struct reader *r)
{
	struct options *o = r->o;

	o->provisioner = text(r, "provisioner");
	o->has_password = text(r, "password_file") != NULL;
	o->x5c_cert = text(r, "x5c_cert");
	o->x5c_key = text(r, "x5c_key");
	o->token_file = text(r, "token_file");
	if (read_credential(r) < 0)
		return;
	if (!o->x5c_cert != !o->x5c_key)
		FAULT(r, o->x5c_cert ? "x5c_cert" : "x5c_key",
		      "x5c_cert and x5c_key go together; give both");
	if ((o->credential == BY_PASSWORD || o->credential == BY_X5C) && !o->provisioner)
		FAULT(r, "provisioner", "is missing: name the one that %s belongs to",
		      credentials[o->credential]);
}

static int read_token_command(struct reader *r)
{
	const char *line = text(r, "token_command"), *why;
	int n = line ? words_split(line, &r->o->token_command, &why) : 0;

	if (n == -EINVAL)
		FAULT(r, "token_command", "%s", why);
	return n == -ENOMEM ? n : 0;
}

static int read_names(struct reader *r)
{
	const char *only[] = {NULL, NULL};
	const char *const *list;
	const char *bad = NULL;
	int e;

	r->o->subject = text(r, "subject");
	if (r->host->opt_list(r->ctx, "sans", &list) == 0) {
		only[0] = r->o->subject;
		list = only;
	}
	if (!list[0]) {
		FAULT(r, "subject", "is missing: give it or sans");
		return 0;
	}
	e = names_build(list, &r->o->names, &bad);
	if (e == -EINVAL)
		FAULT(r, list == only ? "subject" : "sans",
		      "\"%s\" is no DNS name, IP address, URI or e-mail address", bad);
	if (!r->o->subject) {
		enum name_type type;

		if (!name_classify(list[0], &type, &r->o->subject))
			r->o->subject = list[0];
	}
	return e == -ENOMEM ? e : 0;
}

static int read_acme(struct reader *r)
{
	struct acme_section section = {
		.host = r->host,
		.ctx = r->ctx,
		.url = r->o->url,
		.provisioner = text(r, "provisioner"),
		.subject = text(r, "subject"),
		.names = r->o->names,
	};
	int e = acme_options_init(&r->o->acme, &section);

	r->bad = r->bad || e == -EINVAL;
	return e == -ENOMEM ? e : 0;
}

static void read_schedule(struct reader *r)
{
	struct options *o = r->o;

	o->lifetime = r->host->opt_int(r->ctx, "lifetime");
	o->schedule.renew_at = r->host->opt_int(r->ctx, "renew_at");
	o->schedule.jitter = r->host->opt_int(r->ctx, "jitter");
	o->request_timeout = r->host->opt_int(r->ctx, "request_timeout");
	if (o->request_timeout < 100)
		FAULT(r, "request_timeout", "must be 100ms or more");
	o->parallel = r->host->opt_int(r->ctx, "parallel");
	if (o->parallel < 1 || o->parallel > 1000)
		FAULT(r, "parallel", "must be from 1 to 1000");
	o->rekey = r->host->opt_int(r->ctx, "rekey");
	o->mtls = r->host->opt_int(r->ctx, "mtls");
	if (o->rekey && !o->mtls)
		FAULT(r, "mtls", "must be yes with rekey: a CA takes a new key over mTLS alone");
	if (o->schedule.renew_at == 0)
		FAULT(r, "renew_at", "must leave time before the end");
}

/* Octal permission bits; not a set-user-ID bit or the like. */
static void read_mode(struct reader *r, const char *key, uint32_t preset, struct file_access *ret)
{
	const char *word = text(r, key);
	char *end;
	unsigned long mode;

	ret->mode = preset;
	ret->mode_set = word != NULL;
	if (!word)
		return;
	mode = strtoul(word, &end, 8);
	if (*end || end == word || mode > 0777 || !(mode & 0400))
		FAULT(r, key, "\"%s\" is not an octal mode that lets the owner read, as 0640",
		      word);
	ret->mode = (uint32_t)mode;
}

static bool parse_id(const char *word, uint32_t *ret)
{
	char *end;
	unsigned long id = strtoul(word, &end, 10);

	if (*end || end == word || id >= UINT32_MAX)
		return false;
	*ret = (uint32_t)id;
	return true;
}

static void read_owner(struct reader *r)
{
	const char *owner = text(r, "owner"), *group = text(r, "group");
	uint32_t uid = (uint32_t)-1, gid = (uint32_t)-1;

	if (owner && !parse_id(owner, &uid)) {
		const struct passwd *user = getpwnam(owner);

		if (!user)
			FAULT(r, "owner", "there is no user \"%s\"", owner);
		else
			uid = user->pw_uid;
	}
	if (group && !parse_id(group, &gid)) {
		const struct group *its = getgrnam(group);

		if (!its)
			FAULT(r, "group", "there is no group \"%s\"", group);
		else
			gid = its->gr_gid;
	}
	r->o->cert_access.uid = r->o->key_access.uid = uid;
	r->o->cert_access.gid = r->o->key_access.gid = gid;
}

/*
 * A digest of subject, names and key type. When it differs from what the last enrolment asked for,
 * a person has changed the configuration, and a new certificate is due.
 */
static int digest_asked(struct options *o)
{
	cleanup_free char *all = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&all, &len);

	if (!out)
		return -ENOMEM;
	fprintf(out, "%s\n", o->subject ? o->subject : "");
	if (o->key_type_set)
		fprintf(out, "%d\n", o->key_type);
	for (int i = 0; i < sk_GENERAL_NAME_num(o->names); i++) {
		cleanup_free char *name = name_text(sk_GENERAL_NAME_value(o->names, i));

		fprintf(out, "%s\n", name ? name : "");
	}
	if (fclose(out) != 0)
		return -ENOMEM;
	return EVP_Q_digest(NULL, "SHA256", NULL, all, len, o->asked, NULL) == 1 ? 0 : -ENOMEM;
}

int options_init(struct options *o, const struct hc_host *host, hc_ctx *ctx)
{
	struct reader r = {host, ctx, o, false};

	if (read_url(&r) < 0 || read_names(&r) < 0 || read_token_command(&r) < 0 ||
	    read_acme(&r) < 0)
		return -ENOMEM;
	read_trust(&r);
	read_credentials(&r);
	read_schedule(&r);
	read_mode(&r, "mode", 0644, &o->cert_access);
	read_mode(&r, "key_mode", 0600, &o->key_access);
	read_owner(&r);
	o->key_type = key_type_of(text(&r, "key_type"));
	o->key_type_set = host->opt_is_set(ctx, "key_type");
	o->template_data = text(&r, "template_data");
	o->has_key_password = text(&r, "key_password_file") != NULL;
	o->federation = host->opt_int(ctx, "federation");
	o->overlap = host->opt_int(ctx, "overlap");
	/* Only a step-ca announces its roots. */
	o->update_roots = strcmp(text(&r, "roots"), "update") == 0 &&
			  (!o->acme.foreign || host->opt_is_set(ctx, "roots"));
	if (digest_asked(o) < 0)
		return -ENOMEM;
	return r.bad ? -EINVAL : 0;
}

void options_finish(struct options *o)
{
	free(o->url);
	free(o->token_command);
	GENERAL_NAMES_free(o->names);
	acme_options_finish(&o->acme);
	*o = (struct options){0};
}
