/*
 * nss:/dir - a database of NSS (cert9.db), by certutil(1)
 *
 * Each run of certutil is one transaction of the database, so a crash in between leaves it whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/keyring.h"

/* A line of `certutil -L`. */
struct nickname {
	char *text;
	bool trusted;
};

struct nss {
	struct keyring ring;
	const char *password_file;
	char file[PATH_MAX]; /* its cert9.db */
	char dir[PATH_MAX];  /* as certutil wants it, "sql:/path" */

	/* What certutil prints: first the names, then the certificates of one after the other. */
	struct nickname *nicknames;
	size_t n_nicknames;
	size_t asked;
	struct block block;
};

/* Runs certutil with these words and those for the database, then next. */
static void certutil(struct nss *nss, const char *const *words, void (*next)(struct keyring *ring))
{
	const char *argv[16] = {"certutil", "-d", nss->dir};
	size_t n = 3;

	if (nss->password_file) {
		argv[n++] = "-f";
		argv[n++] = nss->password_file;
	}
	while (*words)
		argv[n++] = *words++;
	argv[n] = NULL;
	keyring_run(&nss->ring, argv, NULL, next);
}

/* ---- what is in it -----------------------------------------------------------------------------
 */

static size_t trimmed(const char *line, size_t len)
{
	while (len > 0 && line[len - 1] == ' ')
		len--;
	return len;
}

/* Trust attributes are three fields of letters, those of the first for TLS; blanks may follow. */
static bool is_attributes(const char *word)
{
	const char *comma = strchr(word, ',');

	return word[strspn(word, "pPcCTuwg, ")] == '\0' && comma && strchr(comma + 1, ',');
}

/* "NICKNAME   C,," - whatever else certutil prints does not end so. */
static void take_nickname(struct nss *nss, const char *line)
{
	const char *word = line + trimmed(line, strlen(line));
	struct nickname *list, one;

	while (word > line && word[-1] != ' ')
		word--;
	if (word == line || !is_attributes(word))
		return;
	one.text = strndup(line, trimmed(line, (size_t)(word - line)));
	one.trusted = memchr(word, 'C', strcspn(word, ",")) != NULL;
	list = realloc(nss->nicknames, (nss->n_nicknames + 1) * sizeof(*list));
	if (list)
		nss->nicknames = list;
	if (list && one.text) {
		list[nss->n_nicknames++] = one;
		return;
	}
	free(one.text);
	nss->ring.no_memory = true;
}

/* certutil prints all certificates of the same subject, whatever the name: of ours the name tells
 * which it is. */
static bool is_of_another_name(const char *nickname, const uint8_t fingerprint[32])
{
	struct name_parts parts;

	return name_parse(nickname, "", &parts) &&
	       memcmp(parts.fingerprint, fingerprint, sizeof(parts.fingerprint)) != 0;
}

static void take_certificate(struct nss *nss, const char *line)
{
	const struct nickname *nickname = &nss->nicknames[nss->asked - 1];
	uint8_t fingerprint[32];

	if (block_line(&nss->block, line, fingerprint) &&
	    !is_of_another_name(nickname->text, fingerprint))
		keyring_add(&nss->ring, nickname->text, nickname->trusted, fingerprint);
}

static void nss_line(struct keyring *ring, const char *line)
{
	struct nss *nss = (struct nss *)ring;

	if (nss->asked == 0)
		take_nickname(nss, line);
	else
		take_certificate(nss, line);
}

static void ask_next(struct keyring *ring)
{
	struct nss *nss = (struct nss *)ring;
	const char *words[] = {"-L", "-a", "-n", NULL, NULL};

	if (nss->asked == nss->n_nicknames) {
		keyring_listed(ring);
		return;
	}
	words[3] = nss->nicknames[nss->asked++].text;
	certutil(nss, words, ask_next);
}

static void nss_finish(struct keyring *ring)
{
	struct nss *nss = (struct nss *)ring;

	for (size_t i = 0; i < nss->n_nicknames; i++)
		free(nss->nicknames[i].text);
	free(nss->nicknames);
	nss->nicknames = NULL;
	nss->n_nicknames = 0;
	nss->asked = 0;
	block_finish(&nss->block);
}

static void nss_list(struct keyring *ring)
{
	static const char *const words[] = {"-L", NULL};
	struct nss *nss = (struct nss *)ring;

	nss_finish(ring);
	listing_begin(&ring->listing, nss->file);
	certutil(nss, words, ask_next);
}

/* certutil would make a database that is not there; that is for whoever owns the directory. */
static void nss_refresh(struct store *store)
{
	struct nss *nss = (struct nss *)store;

	nss->ring.changing = false;
	if (access(nss->file, F_OK) < 0)
		keyring_end(
			&nss->ring, HC_FAILED,
			"cannot read %s: %s; `certutil -N -d %s --empty-password` makes a database",
			nss->file, strerror(errno), nss->dir);
	else
		keyring_refresh(&nss->ring, nss->file);
}

/* ---- a change
 * ------------------------------------------------------------------------------------ */

static void nss_remove(struct keyring *ring, const char *name)
{
	const char *const words[] = {"-D", "-n", name, NULL};

	certutil((struct nss *)ring, words, keyring_step);
}

static void nss_import(struct keyring *ring, const char *name)
{
	const char *const words[] = {"-A", "-n", name, "-t", "C,,", "-a", "-i", ring->cert, NULL};

	certutil((struct nss *)ring, words, keyring_step);
}

/* ---- the store
 * ----------------------------------------------------------------------------------- */

static void nss_destroy(struct store *store)
{
	keyring_finish((struct keyring *)store);
	free(store);
}

static int nss_create(const struct store_env *env, const char *arg, struct store **ret,
		      const char **ret_why)
{
	static const struct keyring_ops ops = {
		.program = "certutil",
		.list = nss_list,
		.on_line = nss_line,
		.remove = nss_remove,
		.import = nss_import,
		.finish = nss_finish,
	};
	struct nss *nss;

	if (*arg != '/' || strlen(arg) > PATH_MAX - 32) {
		*ret_why =
			"needs the absolute path of a directory, as in nss:/home/user/.pki/nssdb";
		return -EINVAL;
	}
	nss = calloc(1, sizeof(*nss));
	if (!nss)
		return -ENOMEM;
	keyring_init(&nss->ring, env, &ops);
	nss->ring.dir = arg;
	nss->password_file = env->host->opt_string(env->ctx, "nss_password_file");
	snprintf(nss->file, sizeof(nss->file), "%s/cert9.db", arg);
	snprintf(nss->dir, sizeof(nss->dir), "sql:%s", arg);
	snprintf(nss->ring.cert, sizeof(nss->ring.cert), "%s/.hotcert.pem", arg);
	*ret = &nss->ring.store;
	return 0;
}

const struct store_type store_nss = {
	.scheme = "nss",
	.create = nss_create,
	.destroy = nss_destroy,
	.refresh = nss_refresh,
	.look = keyring_look,
	.change = keyring_change,
	.cancel = keyring_cancel,
};
