/*
 * java:/path - a keystore of Java, by keytool(1)
 *
 * keytool writes a keystore in place, so that a crash or a full disk in the middle loses all of it.
 * So it works on a copy beside, which then is looked at and takes the place of the keystore in one
 * step.
 */
#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "trust/listing.h"
#include "trust/lock.h"
#include "trust/program.h"

#define MAGIC 0x6a617661u
#define KEYTOOL "keytool"
#define DEFAULT_PASSWORD                                                                           \
	"HOTCERT_STOREPASS=changeit" /* no secret: all the world's cacerts have it */
#define SUFFIX_COPY ".hotcert"
#define SUFFIX_CERT ".hotcert.pem"

struct java {
	struct store store;
	unsigned magic;
	const char *path; /* as configured */
	const char *password_file;
	struct listing listing;

	/* The program at hand, and what it prints. */
	struct program program;
	void (*next)(struct java *java);
	char *alias;
	bool is_trusted;
	struct block block;
	bool no_memory;

	/* The change under way. */
	bool changing;
	struct inventory *inventory;
	struct lock lock;
	char *real; /* the keystore behind links, the copy, and the certificate to be read */
	char copy[PATH_MAX];
	char cert[PATH_MAX];
	size_t at;
	bool cleared; /* the old certificate of that name is out */
};

static void output_finish(struct java *java)
{
	free(java->alias);
	java->alias = NULL;
	block_finish(&java->block);
}

/* Gives up what is under way. */
static void java_finish(struct java *java)
{
	program_stop(&java->program);
	lock_drop(&java->lock);
	output_finish(java);
	if (java->real) {
		unlink(java->copy);
		unlink(java->cert);
	}
	free(java->real);
	java->real = NULL;
	java->inventory = NULL;
}

static void java_end(struct java *java, int32_t status, const char *format, ...) HC_PRINTF(3, 4);

/* Ends what is under way, a change or a look. */
static void java_end(struct java *java, int32_t status, const char *format, ...)
{
	const struct store_env *env = java->store.env;
	char text[STORE_WHY];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	java_finish(java);
	if (java->changing)
		env->done(env->data, status, text);
	else
		env->refreshed(env->data, status, text);
}

static void program_ended(void *data, int32_t status, const char *why)
{
	struct java *java = data;

	assert(java->magic == MAGIC);
	if (status == HC_OK)
		java->next(java);
	else
		java_end(java, status, "%s", why);
}

/* Runs keytool with these words and those for the keystore, then next. */
static void keytool(struct java *java, const char *keystore, const char *const *words,
		    void (*next)(struct java *java))
{
	const char *const env[] = {DEFAULT_PASSWORD, NULL};
	const char *argv[16] = {KEYTOOL, "-J-Duser.language=en", "-J-XX:TieredStopAtLevel=1"};
	size_t n = 3;

	while (*words)
		argv[n++] = *words++;
	argv[n++] = "-keystore";
	argv[n++] = keystore;
	argv[n++] = java->password_file ? "-storepass:file" : "-storepass:env";
	argv[n++] = java->password_file ? java->password_file : "HOTCERT_STOREPASS";
	argv[n] = NULL;
	java->next = next;
	program_run(&java->program, KEYTOOL, argv, java->password_file ? NULL : env, java->lock.fd);
}

/* ---- what is in it -----------------------------------------------------------------------------
 */

static const char *after(const char *line, const char *word)
{
	size_t len = strlen(word);

	return strncmp(line, word, len) == 0 ? line + len : NULL;
}

/* A line of `keytool -list -rfc`: the chains of private keys are there, too, but nobody trusts
 * them. */
static void on_line(void *data, const char *line)
{
	struct java *java = data;
	const char *value;
	uint8_t fingerprint[32];

	assert(java->magic == MAGIC);
	if ((value = after(line, "Alias name: "))) {
		free(java->alias);
		java->alias = strdup(value);
		java->is_trusted = false;
	} else if ((value = after(line, "Entry type: "))) {
		java->is_trusted = strcmp(value, "trustedCertEntry") == 0;
	} else if (block_line(&java->block, line, fingerprint) && java->is_trusted && java->alias &&
		   listing_add(&java->listing, java->alias, true, fingerprint) < 0) {
		java->no_memory = true;
	}
}

static void list(struct java *java, const char *keystore, void (*next)(struct java *java))
{
	static const char *const words[] = {"-list", "-rfc", NULL};

	listing_begin(&java->listing, keystore);
	java->no_memory = false;
	keytool(java, keystore, words, next);
}

static void listed(struct java *java)
{
	java->listing.complete = !java->no_memory;
	if (java->no_memory)
		java_end(java, HC_RETRY, "%s", strerror(ENOMEM));
	else
		java_end(java, HC_OK, "%s", "");
}

static void java_refresh(struct store *store)
{
	struct java *java = (struct java *)store;

	java->changing = false;
	if (!listing_is_current(&java->listing, java->path))
		listing_begin(&java->listing, java->path);
	if (java->listing.complete)
		java_end(java, HC_OK, "%s", "");
	else
		list(java, java->path, listed);
}

static int java_look(struct store *store, struct inventory *inventory, char why[STORE_WHY])
{
	struct java *java = (struct java *)store;
	int r = listing_note(&java->listing, store->env->instance, true, inventory);

	if (r < 0)
		snprintf(why, STORE_WHY, "%s", strerror(-r));
	return r;
}

/* ---- a change
 * ------------------------------------------------------------------------------------ */

static int put(struct java *java, const char *path, uint32_t flags, const char *data, size_t len,
	       uint32_t mode)
{
	const struct store_env *env = java->store.env;
	struct hc_replace replace = {
		.size = sizeof(replace),
		.flags = flags,
		.path = path,
		.data = data,
		.len = len,
		.mode = mode,
		.uid = (uint32_t)-1,
		.gid = (uint32_t)-1,
	};

	return env->host->replace(env->ctx, &replace);
}

static void cannot_write(struct java *java, int r)
{
	java_end(java, store_status(r), "cannot write it: %s%s", strerror(-r), store_hint(r));
}

/* Puts the copy in the keystore's place. */
static void publish(struct java *java)
{
	cleanup_free char *data = NULL;
	size_t len = 0;
	int r = store_read(java->copy, &data, &len);

	if (r == 0)
		r = put(java, java->real, HC_REPLACE_KEEP, data, len, 0644);
	if (r < 0) {
		cannot_write(java, r);
		return;
	}
	java->listing.complete = !java->no_memory && stat(java->real, &java->listing.file) == 0;
	java_end(java, HC_OK, "%s", "");
}

/* Looks at the copy: all that was to be installed must be there. */
static void verify(struct java *java)
{
	const struct entry *entry;

	inventory_forget_live(java->inventory);
	for (size_t i = 0; i < java->listing.n; i++)
		inventory_note_live(java->inventory, NULL, 0, java->listing.list[i].fingerprint);
	if (inventory_all_live(java->inventory, &entry))
		publish(java);
	else
		java_end(java, HC_RETRY, KEYTOOL " ended well, but %s is not in the keystore",
			 entry->root->subject);
}

static void step(struct java *java);

static void delete (struct java *java, const struct entry *entry)
{
	const char *const words[] = {"-delete", "-alias", entry->name, NULL};

	keytool(java, java->copy, words, step);
}

static void import(struct java *java, const struct entry *entry)
{
	char name[NAME_FILE];
	const char *const words[] = {"-importcert", "-noprompt", "-alias", name,
				     "-file",	    java->cert,	 NULL};
	int r = put(java, java->cert, 0, entry->root->pem, strlen(entry->root->pem), 0600);

	name_file(java->store.env->instance, entry->fingerprint, entry->root->label, "", name);
	if (r < 0)
		cannot_write(java, r);
	else
		keytool(java, java->copy, words, step);
}

/* The next thing to do to the copy. */
static void step(struct java *java)
{
	const struct inventory *inventory = java->inventory;

	while (java->at < inventory->n) {
		const struct entry *entry = &inventory->list[java->at];

		if (entry->todo != TODO_NOTHING && entry->name && !java->cleared) {
			java->cleared = true;
			delete (java, entry);
			return;
		}
		java->cleared = false;
		java->at++;
		if (entry->todo == TODO_INSTALL) {
			import(java, entry);
			return;
		}
	}
	list(java, java->copy, verify);
}

/* Makes the copy; there is none of a keystore that is still to be made. */
static int copy(struct java *java)
{
	cleanup_free char *data = NULL;
	size_t len = 0;
	int r;

	unlink(java->copy);
	r = store_read(java->real, &data, &len);
	if (r == 0)
		r = put(java, java->copy, 0, data, len, 0600);
	return r == -ENOENT ? 0 : r;
}

static void locked(void *data, int r)
{
	struct java *java = data;

	assert(java->magic == MAGIC);
	if (r == 0)
		r = copy(java);
	if (r < 0)
		cannot_write(java, r);
	else
		step(java);
}

static void java_change(struct store *store, struct inventory *inventory)
{
	struct java *java = (struct java *)store;
	char dir[PATH_MAX];

	java->changing = true;
	java->inventory = inventory;
	java->at = 0;
	java->cleared = false;
	java->real = realpath(java->path, NULL);
	if (!java->real)
		java->real = strdup(java->path);
	if (!java->real || strlen(java->real) + sizeof(SUFFIX_CERT) > PATH_MAX) {
		java_end(java, HC_RETRY, "%s", strerror(ENOMEM));
		return;
	}
	snprintf(java->copy, sizeof(java->copy), "%s" SUFFIX_COPY, java->real);
	snprintf(java->cert, sizeof(java->cert), "%s" SUFFIX_CERT, java->real);
	snprintf(dir, sizeof(dir), "%s", java->real);
	lock_take(&java->lock, dirname(dir));
}

static void java_cancel(struct store *store)
{
	java_finish((struct java *)store);
}

static void java_destroy(struct store *store)
{
	struct java *java = (struct java *)store;

	java_finish(java);
	listing_finish(&java->listing);
	java->magic = 0;
	free(java);
}

static int java_create(const struct store_env *env, const char *arg, struct store **ret,
		       const char **ret_why)
{
	struct java *java;

	if (*arg != '/' || arg[strlen(arg) - 1] == '/') {
		*ret_why = "needs the absolute path of a keystore, as in "
			   "java:/etc/ssl/certs/java/cacerts";
		return -EINVAL;
	}
	java = calloc(1, sizeof(*java));
	if (!java)
		return -ENOMEM;
	java->magic = MAGIC;
	java->store.env = env;
	java->path = arg;
	java->password_file = env->host->opt_string(env->ctx, "java_password_file");
	java->program = (struct program){
		.env = env, .on_end = program_ended, .on_line = on_line, .data = java};
	lock_init(&java->lock, env, locked, java);
	*ret = &java->store;
	return 0;
}

const struct store_type store_java = {
	.scheme = "java",
	.create = java_create,
	.destroy = java_destroy,
	.refresh = java_refresh,
	.look = java_look,
	.change = java_change,
	.cancel = java_cancel,
};
