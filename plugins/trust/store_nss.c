/*
 * nss:/dir - a database of NSS (cert9.db), by certutil(1)
 *
 * Each run of certutil is one transaction of the database, so a crash in between leaves it whole.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/listing.h"
#include "trust/lock.h"
#include "trust/program.h"

#define MAGIC 0x6e737364u
#define CERTUTIL "certutil"

/* A line of `certutil -L`: one certificate, or several of one name. */
struct nickname {
	char *text;
	bool trusted;
};

struct nss {
	struct store store;
	unsigned magic;
	const char *path;
	const char *password_file;
	char file[PATH_MAX]; /* its cert9.db */
	char dir[PATH_MAX];  /* as certutil wants it, "sql:/path" */
	struct listing listing;

	/* The program at hand, and what it prints. */
	struct program program;
	void (*next)(struct nss *nss);
	void (*on_line)(struct nss *nss, const char *line);
	struct nickname *nicknames;
	size_t n_nicknames;
	size_t asked; /* for the certificates of so many of them */
	struct block block;
	bool no_memory;
	void (*after_list)(struct nss *nss);

	/* The change under way. */
	bool changing;
	struct inventory *inventory;
	struct lock lock;
	char cert[PATH_MAX]; /* the certificate to be read */
	size_t at;
	bool cleared; /* the old certificate of that name is out */
};

static void nicknames_finish(struct nss *nss)
{
	for (size_t i = 0; i < nss->n_nicknames; i++)
		free(nss->nicknames[i].text);
	free(nss->nicknames);
	nss->nicknames = NULL;
	nss->n_nicknames = 0;
	block_finish(&nss->block);
}

/* Gives up what is under way. */
static void nss_finish(struct nss *nss)
{
	program_stop(&nss->program);
	nicknames_finish(nss);
	if (nss->lock.fd >= 0)
		unlink(nss->cert);
	lock_drop(&nss->lock);
	nss->inventory = NULL;
}

static void nss_end(struct nss *nss, int32_t status, const char *format, ...) HC_PRINTF(3, 4);

/* Ends what is under way, a change or a look. */
static void nss_end(struct nss *nss, int32_t status, const char *format, ...)
{
	const struct store_env *env = nss->store.env;
	char text[STORE_WHY];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	nss_finish(nss);
	if (nss->changing)
		env->done(env->data, status, text);
	else
		env->refreshed(env->data, status, text);
}

static void program_ended(void *data, int32_t status, const char *why)
{
	struct nss *nss = data;

	assert(nss->magic == MAGIC);
	if (status == HC_OK)
		nss->next(nss);
	else
		nss_end(nss, status, "%s", why);
}

static void on_line(void *data, const char *line)
{
	struct nss *nss = data;

	assert(nss->magic == MAGIC);
	if (nss->on_line)
		nss->on_line(nss, line);
}

/* Runs certutil with these words and those for the database, then next. */
static void certutil(struct nss *nss, const char *const *words,
		     void (*line)(struct nss *nss, const char *line), void (*next)(struct nss *nss))
{
	const char *argv[16] = {CERTUTIL, "-d", nss->dir};
	size_t n = 3;

	if (nss->password_file) {
		argv[n++] = "-f";
		argv[n++] = nss->password_file;
	}
	while (*words)
		argv[n++] = *words++;
	argv[n] = NULL;
	nss->on_line = line;
	nss->next = next;
	program_run(&nss->program, CERTUTIL, argv, NULL, nss->lock.fd);
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
	nss->no_memory = true;
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
	    !is_of_another_name(nickname->text, fingerprint) &&
	    listing_add(&nss->listing, nickname->text, nickname->trusted, fingerprint) < 0)
		nss->no_memory = true;
}

/* Asks for the certificates of one name after the other. */
static void ask_next(struct nss *nss)
{
	const char *words[] = {"-L", "-a", "-n", NULL, NULL};

	if (nss->no_memory) {
		nss_end(nss, HC_RETRY, "%s", strerror(ENOMEM));
	} else if (nss->asked < nss->n_nicknames) {
		words[3] = nss->nicknames[nss->asked++].text;
		certutil(nss, words, take_certificate, ask_next);
	} else {
		nss->listing.complete = true;
		nss->after_list(nss);
	}
}

static void list(struct nss *nss, void (*next)(struct nss *nss))
{
	static const char *const words[] = {"-L", NULL};

	listing_begin(&nss->listing, nss->file);
	nicknames_finish(nss);
	nss->no_memory = false;
	nss->asked = 0;
	nss->after_list = next;
	certutil(nss, words, take_nickname, ask_next);
}

static void listed(struct nss *nss)
{
	nss_end(nss, HC_OK, "%s", "");
}

/* certutil would make a database that is not there; that is for whoever owns the directory. */
static void nss_refresh(struct store *store)
{
	struct nss *nss = (struct nss *)store;

	nss->changing = false;
	if (access(nss->file, F_OK) < 0)
		nss_end(nss, HC_FAILED,
			"cannot read %s: %s; `certutil -N -d %s --empty-password` makes a database",
			nss->file, strerror(errno), nss->dir);
	else if (listing_is_current(&nss->listing, nss->file))
		nss_end(nss, HC_OK, "%s", "");
	else
		list(nss, listed);
}

static int nss_look(struct store *store, struct inventory *inventory, char why[STORE_WHY])
{
	struct nss *nss = (struct nss *)store;
	int r = listing_note(&nss->listing, store->env->instance, false, inventory);

	if (r < 0)
		snprintf(why, STORE_WHY, "%s", strerror(-r));
	return r;
}

/* ---- a change
 * ------------------------------------------------------------------------------------ */

/* Looks again: all that was to be installed must be there, with trust. */
static void verify(struct nss *nss)
{
	const struct entry *entry;

	inventory_forget_live(nss->inventory);
	for (size_t i = 0; i < nss->listing.n; i++)
		if (nss->listing.list[i].trusted)
			inventory_note_live(nss->inventory, NULL, 0,
					    nss->listing.list[i].fingerprint);
	if (inventory_all_live(nss->inventory, &entry))
		nss_end(nss, HC_OK, "%s", "");
	else
		nss_end(nss, HC_RETRY, CERTUTIL " ended well, but %s is not trusted in %s",
			entry->root->subject, nss->file);
}

static void step(struct nss *nss);

static void take_out(struct nss *nss, const struct entry *entry)
{
	const char *const words[] = {"-D", "-n", entry->name, NULL};

	certutil(nss, words, NULL, step);
}

static int write_cert(struct nss *nss, const struct entry *entry)
{
	const struct store_env *env = nss->store.env;
	struct hc_replace replace = {
		.size = sizeof(replace),
		.path = nss->cert,
		.data = entry->root->pem,
		.len = strlen(entry->root->pem),
		.mode = 0600,
		.uid = (uint32_t)-1,
		.gid = (uint32_t)-1,
	};

	return env->host->replace(env->ctx, &replace);
}

static void install(struct nss *nss, const struct entry *entry)
{
	char name[NAME_FILE];
	const char *const words[] = {"-A", "-n", name, "-t", "C,,", "-a", "-i", nss->cert, NULL};
	int r = write_cert(nss, entry);

	name_file(nss->store.env->instance, entry->fingerprint, entry->root->label, "", name);
	if (r < 0)
		nss_end(nss, store_status(r), "cannot write it: %s%s", strerror(-r), store_hint(r));
	else
		certutil(nss, words, NULL, step);
}

/* Whether somebody else has the certificate there without trust: that is not ours to change. */
static bool is_withheld(const struct nss *nss, const struct entry *entry, const struct listed **ret)
{
	*ret = listing_find(&nss->listing, entry->fingerprint);
	return entry->todo == TODO_INSTALL && *ret && !entry->name && !(*ret)->trusted;
}

static void step(struct nss *nss)
{
	const struct listed *there;

	while (nss->at < nss->inventory->n) {
		const struct entry *entry = &nss->inventory->list[nss->at];

		if (is_withheld(nss, entry, &there)) {
			nss_end(nss, HC_FAILED,
				"%s is there as \"%s\" without trust; `certutil -M -d %s -n \"%s\" "
				"-t "
				"C,,` gives it",
				entry->root->subject, there->name, nss->dir, there->name);
			return;
		}
		if (entry->todo != TODO_NOTHING && entry->name && !nss->cleared) {
			nss->cleared = true;
			take_out(nss, entry);
			return;
		}
		nss->cleared = false;
		nss->at++;
		if (entry->todo == TODO_INSTALL) {
			install(nss, entry);
			return;
		}
	}
	list(nss, verify);
}

static void locked(void *data, int r)
{
	struct nss *nss = data;

	assert(nss->magic == MAGIC);
	if (r < 0)
		nss_end(nss, store_status(r), "cannot open and lock %s: %s", nss->path,
			strerror(-r));
	else
		step(nss);
}

static void nss_change(struct store *store, struct inventory *inventory)
{
	struct nss *nss = (struct nss *)store;

	nss->changing = true;
	nss->inventory = inventory;
	nss->at = 0;
	nss->cleared = false;
	lock_take(&nss->lock, nss->path);
}

static void nss_cancel(struct store *store)
{
	nss_finish((struct nss *)store);
}

static void nss_destroy(struct store *store)
{
	struct nss *nss = (struct nss *)store;

	nss_finish(nss);
	listing_finish(&nss->listing);
	nss->magic = 0;
	free(nss);
}

static int nss_create(const struct store_env *env, const char *arg, struct store **ret,
		      const char **ret_why)
{
	struct nss *nss;

	if (*arg != '/' || strlen(arg) > PATH_MAX - 32) {
		*ret_why =
			"needs the absolute path of a directory, as in nss:/home/user/.pki/nssdb";
		return -EINVAL;
	}
	nss = calloc(1, sizeof(*nss));
	if (!nss)
		return -ENOMEM;
	nss->magic = MAGIC;
	nss->store.env = env;
	nss->path = arg;
	nss->password_file = env->host->opt_string(env->ctx, "nss_password_file");
	snprintf(nss->file, sizeof(nss->file), "%s/cert9.db", arg);
	snprintf(nss->dir, sizeof(nss->dir), "sql:%s", arg);
	snprintf(nss->cert, sizeof(nss->cert), "%s/.hotcert.pem", arg);
	nss->program = (struct program){
		.env = env, .on_end = program_ended, .on_line = on_line, .data = nss};
	lock_init(&nss->lock, env, locked, nss);
	*ret = &nss->store;
	return 0;
}

const struct store_type store_nss = {
	.scheme = "nss",
	.create = nss_create,
	.destroy = nss_destroy,
	.refresh = nss_refresh,
	.look = nss_look,
	.change = nss_change,
	.cancel = nss_cancel,
};
