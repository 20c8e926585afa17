#include "stepca/options.h"

#include "common/mem.h"
#include "stepca/names.h"

#include <errno.h>
#include <grp.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <string.h>

const struct hc_option options_table[N_OPTIONS] = {
	{"url", HC_OPT_STRING, 0, NULL, NULL,
	 "the CA: https://HOST[:PORT], by a name that is in its certificate"},
	{"fingerprint", HC_OPT_STRING, 0, NULL, NULL,
	 "SHA-256 of the CA's root certificate in hex; colons and dashes do not matter"},
	{"root", HC_OPT_PATH, 0, NULL, NULL,
	 "file with the CA's root certificates, instead of fingerprint"},
	{"provisioner", HC_OPT_STRING, 0, NULL, NULL,
	 "name of the provisioner: a JWK one with password_file, an ACME one with challenge"},
	{"password_file", HC_OPT_SECRET, 0, NULL, NULL,
	 "file with the password of the provisioner's key"},
	{"token_file", HC_OPT_PATH, 0, NULL, NULL,
	 "file with a one-time token, instead of password_file; read when one is needed"},
	{"subject", HC_OPT_STRING, 0, NULL, NULL,
	 "common name of the certificate; default: the first of sans"},
	{"sans", HC_OPT_LIST, 0, NULL, NULL,
	 "names of the certificate: DNS names, IP addresses, URIs, e-mail addresses; a prefix "
	 "dns:, "
	 "ip:, uri: or email: says which; default: subject"},
	{"key_type", HC_OPT_CHOICE, 0, "ec-p256", KEY_TYPES, "kind of a new key"},
	{"lifetime", HC_OPT_DURATION, 0, NULL, NULL,
	 "lifetime to ask for; default: what the CA gives"},
	{"renew_at", HC_OPT_SHARE, 0, "66%", NULL,
	 "when to renew: a share of the lifetime, or a time before its end"},
	{"jitter", HC_OPT_SHARE, 0, "5%", NULL,
	 "renew up to this earlier, each certificate by another part of it"},
	{"rekey", HC_OPT_BOOL, 0, "no", NULL, "make a new key at each renewal"},
	{"roots", HC_OPT_CHOICE, 0, "update", "update pinned",
	 "update: add the roots that the CA announces to the ca file; pinned: leave it"},
	{"mode", HC_OPT_STRING, 0, NULL, NULL,
	 "mode of the certificate and ca files, octal; default: as it is, 0644 where new"},
	{"key_mode", HC_OPT_STRING, 0, NULL, NULL,
	 "mode of the key file, octal; default: as it is, 0600 where new"},
	{"owner", HC_OPT_STRING, 0, NULL, NULL, "user that the files belong to; default: as it is"},
	{"group", HC_OPT_STRING, 0, NULL, NULL,
	 "group that the files belong to; default: as it is"},
	{"request_timeout", HC_OPT_DURATION, 0, "15s", NULL,
	 "longest wait for one reply of the CA"},
	ACME_OPTIONS,
};

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

/* Over ACME the proof is another. */
static void refuse_credentials(struct reader *r)
{
	static const char *const keys[] = {"password_file", "token_file"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (text(r, keys[i]))
			FAULT(r, keys[i], "does not go with challenge: give either");
}

static void read_credentials(struct reader *r)
{
	r->o->provisioner = text(r, "provisioner");
	r->o->has_password = text(r, "password_file") != NULL;
	r->o->token_file = text(r, "token_file");
	if (text(r, "challenge"))
		return refuse_credentials(r);
	if (r->o->has_password && r->o->token_file)
		FAULT(r, "token_file", "give either this or password_file");
	if (!r->o->has_password && !r->o->token_file)
		FAULT(r, "password_file", "is missing: give it or token_file");
	if (r->o->has_password && !r->o->provisioner)
		FAULT(r, "provisioner", "is missing: password_file is the password of its key");
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

	if (read_url(&r) < 0 || read_names(&r) < 0 || read_acme(&r) < 0)
		return -ENOMEM;
	read_trust(&r);
	read_credentials(&r);
	read_schedule(&r);
	read_mode(&r, "mode", 0644, &o->cert_access);
	read_mode(&r, "key_mode", 0600, &o->key_access);
	read_owner(&r);
	o->key_type = key_type_of(text(&r, "key_type"));
	o->key_type_set = host->opt_is_set(ctx, "key_type");
	o->rekey = host->opt_int(ctx, "rekey");
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
	GENERAL_NAMES_free(o->names);
	acme_options_finish(&o->acme);
	*o = (struct options){0};
}
