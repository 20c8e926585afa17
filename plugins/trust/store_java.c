/*
 * java:/path - a keystore of Java, by keytool(1)
 *
 * keytool writes a keystore in place, so that a crash or a full disk in the middle loses all of it.
 * So it works on a copy beside, which then is looked at and takes the place of the keystore in one
 * step.
 */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "trust/keyring.h"

#define DEFAULT_PASSWORD                                                                           \
	"HOTCERT_STOREPASS=changeit" /* no secret: all the world's cacerts have it */
#define SUFFIX_COPY ".hotcert"
#define SUFFIX_CERT ".hotcert.pem"

struct java {
	struct keyring ring;
	const char *path; /* as configured */
	const char *password_file;

	/* What keytool prints. */
	char *alias;
	bool is_trusted;
	struct block block;

	/* The change under way: the keystore behind links, and the copy. */
	char *real;
	char copy[PATH_MAX];
	char dir[PATH_MAX];
};

/* Runs keytool with these words and those for the keystore, then next. */
static void keytool(struct java *java, const char *const *words, void (*next)(struct keyring *ring))
{
	const char *const env[] = {DEFAULT_PASSWORD, NULL};
	/* What it prints in English; and with half of the work for a run this short. */
	const char *argv[16] = {"keytool", "-J-Duser.language=en", "-J-XX:TieredStopAtLevel=1"};
	size_t n = 3;

	while (*words)
		argv[n++] = *words++;
	argv[n++] = "-keystore";
	argv[n++] = java->ring.changing ? java->copy : java->path;
	argv[n++] = java->password_file ? "-storepass:file" : "-storepass:env";
	argv[n++] = java->password_file ? java->password_file : "HOTCERT_STOREPASS";
	argv[n] = NULL;
	keyring_run(&java->ring, argv, java->password_file ? NULL : env, next);
}

static void java_list(struct keyring *ring)
{
	static const char *const words[] = {"-list", "-rfc", NULL};
	struct java *java = (struct java *)ring;

	listing_begin(&ring->listing, ring->changing ? java->copy : java->path);
	keytool(java, words, keyring_listed);
}

static const char *after(const char *line, const char *word)
{
	size_t len = strlen(word);

	return strncmp(line, word, len) == 0 ? line + len : NULL;
}

/* Of `keytool -list -rfc`: the chains of private keys are there, too, but nobody trusts them. */
static void java_line(struct keyring *ring, const char *line)
{
	struct java *java = (struct java *)ring;
	uint8_t fingerprint[32];
	const char *value;

	if ((value = after(line, "Alias name: "))) {
		free(java->alias);
		java->alias = strdup(value);
		java->is_trusted = false;
		ring->no_memory |= !java->alias;
	} else if ((value = after(line, "Entry type: "))) {
		java->is_trusted = strcmp(value, "trustedCertEntry") == 0;
	} else if (block_line(&java->block, line, fingerprint) && java->is_trusted && java->alias) {
		keyring_add(ring, java->alias, true, fingerprint);
	}
}

/* ---- a change
 * ------------------------------------------------------------------------------------ */

/* Makes the copy; there is none of a keystore that is still to be made. */
static int java_begin(struct keyring *ring)
{
	struct java *java = (struct java *)ring;
	cleanup_free char *data = NULL;
	size_t len = 0;
	int r;

	unlink(java->copy);
	r = store_read(java->real, &data, &len);
	if (r == 0)
		r = keyring_put(ring, java->copy, data, len, 0, 0600);
	return r == -ENOENT ? 0 : r;
}

static void java_remove(struct keyring *ring, const char *name)
{
	const char *const words[] = {"-delete", "-alias", name, NULL};

	keytool((struct java *)ring, words, keyring_step);
}

static void java_import(struct keyring *ring, const char *name)
{
	const char *const words[] = {"-importcert", "-noprompt", "-alias", name,
				     "-file",	    ring->cert,	 NULL};

	keytool((struct java *)ring, words, keyring_step);
}

/* Puts the copy in the keystore's place. */
static int java_publish(struct keyring *ring)
{
	struct java *java = (struct java *)ring;
	cleanup_free char *data = NULL;
	size_t len = 0;
	int r = store_read(java->copy, &data, &len);

	if (r == 0)
		r = keyring_put(ring, java->real, data, len, HC_REPLACE_KEEP, 0644);
	if (r == 0 && stat(java->real, &ring->listing.file) < 0)
		r = -errno;
	return r;
}

static void java_finish(struct keyring *ring)
{
	struct java *java = (struct java *)ring;

	free(java->alias);
	java->alias = NULL;
	block_finish(&java->block);
	if (java->real)
		unlink(java->copy);
	free(java->real);
	java->real = NULL;
}

static void java_change(struct store *store, struct inventory *inventory)
{
	struct java *java = (struct java *)store;

	java->real = realpath(java->path, NULL);
	if (!java->real)
		java->real = strdup(java->path);
	if (!java->real || strlen(java->real) + sizeof(SUFFIX_CERT) > PATH_MAX) {
		store->env->done(store->env->data, HC_RETRY, strerror(ENOMEM));
		return;
	}
	snprintf(java->copy, sizeof(java->copy), "%s" SUFFIX_COPY, java->real);
	snprintf(java->ring.cert, sizeof(java->ring.cert), "%s" SUFFIX_CERT, java->real);
	snprintf(java->dir, sizeof(java->dir), "%s", java->real);
	java->ring.dir = dirname(java->dir);
	keyring_change(store, inventory);
}

/* ---- the store
 * ----------------------------------------------------------------------------------- */

static void java_refresh(struct store *store)
{
	keyring_refresh((struct keyring *)store, ((struct java *)store)->path);
}

static void java_destroy(struct store *store)
{
	keyring_finish((struct keyring *)store);
	free(store);
}

static int java_create(const struct store_env *env, const char *arg, struct store **ret,
		       const char **ret_why)
{
	static const struct keyring_ops ops = {
		.program = "keytool",
		.folds = true,
		.list = java_list,
		.on_line = java_line,
		.begin = java_begin,
		.remove = java_remove,
		.import = java_import,
		.publish = java_publish,
		.finish = java_finish,
	};
	struct java *java;

	if (*arg != '/' || arg[strlen(arg) - 1] == '/') {
		*ret_why = "needs the absolute path of a keystore, as in "
			   "java:/etc/ssl/certs/java/cacerts";
		return -EINVAL;
	}
	java = calloc(1, sizeof(*java));
	if (!java)
		return -ENOMEM;
	keyring_init(&java->ring, env, &ops);
	java->path = arg;
	java->password_file = env->host->opt_string(env->ctx, "java_password_file");
	*ret = &java->ring.store;
	return 0;
}

const struct store_type store_java = {
	.scheme = "java",
	.create = java_create,
	.destroy = java_destroy,
	.refresh = java_refresh,
	.look = keyring_look,
	.change = java_change,
	.cancel = keyring_cancel,
};
