/*
 * directory:/path - a directory that OpenSSL looks roots up in, as its option -CApath and curl's
 * --capath do
 *
 * Each root is a file of its own and a link HASH.N to that. What others have there, links or files,
 * stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/pem.h"
#include "trust/files.h"
#include "trust/links.h"

#define SUFFIX ".pem"

struct directory {
	struct store store;
	char *path;
};

/* Notes what OpenSSL finds in a row: it goes on until a number is missing or leads nowhere. */
static int look_at_row(const char *dir, const char *hash, struct inventory *inventory)
{
	char path[PATH_MAX];
	size_t len;
	int r = 0;

	for (unsigned i = 0; r >= 0; i++) {
		cleanup_free char *text = NULL;

		snprintf(path, sizeof(path), "%s/%s.%u", dir, hash, i);
		r = store_read(path, &text, &len);
		if (r == 0)
			r = pem_each(text, len, inventory_note_live, inventory);
	}
	return r == -ENOENT ? 0 : r;
}

static int look_at_rows(const struct directory *directory, struct inventory *inventory)
{
	char hash[LINKS_HASH];
	int r = 0;

	for (size_t i = 0; r == 0 && i < inventory->n; i++)
		if (inventory->list[i].root && links_hash(inventory->list[i].root->pem, hash))
			r = look_at_row(directory->path, hash, inventory);
	return r;
}

static int directory_look(struct store *store, struct inventory *inventory, char why[STORE_WHY])
{
	struct directory *directory = (struct directory *)store;
	int r = files_look(store, directory->path, SUFFIX, inventory);

	if (r == 0)
		r = look_at_rows(directory, inventory);
	if (r < 0)
		snprintf(why, STORE_WHY, "cannot read it: %s%s", strerror(-r), store_hint(r));
	return r;
}

static bool link_stays(void *data, const char *target)
{
	const struct inventory *inventory = data;

	for (size_t i = 0; i < inventory->n; i++)
		if (inventory->list[i].todo == TODO_REMOVE &&
		    strcmp(inventory->list[i].name, target) == 0)
			return false;
	return true;
}

/* Puts the rows in order, and that of a certificate. */
static int tidy(int dir, struct links *rows, const char *pem, struct inventory *inventory)
{
	char hash[LINKS_HASH];
	int r = links_hash(pem, hash) ? links_note(rows, hash) : 0;

	return r < 0 ? r : links_tidy(dir, rows, link_stays, inventory);
}

static int install(const struct directory *directory, int dir, const struct entry *entry,
		   struct inventory *inventory)
{
	const struct store_env *env = directory->store.env;
	struct links rows = {0};
	char hash[LINKS_HASH], name[NAME_FILE];
	int r = files_write(&directory->store, directory->path, SUFFIX, entry);

	name_file(env->instance, entry->fingerprint, entry->root->label, SUFFIX, name);
	if (r == 0 && links_hash(entry->root->pem, hash))
		r = links_add(dir, hash, entry->name ? entry->name : name);
	if (r == 0)
		r = tidy(dir, &rows, entry->root->pem, inventory);
	links_finish(&rows);
	return r;
}

/*
 * Links first: a crash leaves the file, by which it is found again. Its row is put in order even
 * where no link leads to the file any more: a crash may have been in the middle of that.
 */
static int take_out(const struct directory *directory, int dir, const struct entry *entry,
		    struct inventory *inventory)
{
	cleanup_free char *text = NULL;
	struct links rows = {0};
	char path[PATH_MAX];
	size_t len;
	int r;

	snprintf(path, sizeof(path), "%s/%s", directory->path, entry->name);
	r = links_release(dir, entry->name, entry->name, link_stays, inventory, &rows);
	if (r == 0)
		r = tidy(dir, &rows, store_read(path, &text, &len) == 0 ? text : "", inventory);
	if (r == 0 && unlinkat(dir, entry->name, 0) < 0 && errno != ENOENT)
		r = -errno;
	links_finish(&rows);
	return r;
}

static int rewrite(const struct directory *directory, struct inventory *inventory)
{
	cleanup_close int dir = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : 0;

	for (size_t i = 0; r == 0 && i < inventory->n; i++)
		if (inventory->list[i].todo == TODO_INSTALL)
			r = install(directory, dir, &inventory->list[i], inventory);
	for (size_t i = 0; r == 0 && i < inventory->n; i++)
		if (inventory->list[i].todo == TODO_REMOVE)
			r = take_out(directory, dir, &inventory->list[i], inventory);
	return r;
}

static void directory_change(struct store *store, struct inventory *inventory)
{
	struct directory *directory = (struct directory *)store;
	const struct store_env *env = store->env;
	const struct entry *entry;
	char why[STORE_WHY], hash[LINKS_HASH];
	int r = rewrite(directory, inventory);

	inventory_forget_live(inventory);
	if (r == 0)
		r = look_at_rows(directory, inventory);
	if (r < 0) {
		snprintf(why, sizeof(why), "cannot write it: %s%s", strerror(-r), store_hint(r));
		env->done(env->data, store_status(r), why);
	} else if (!inventory_all_live(inventory, &entry) && links_hash(entry->root->pem, hash)) {
		snprintf(why, sizeof(why),
			 "%s cannot be found in it: a link %s.N that leads nowhere hides those "
			 "behind; "
			 "remove it, or run `openssl rehash %s`",
			 entry->root->subject, hash, directory->path);
		env->done(env->data, HC_FAILED, why);
	} else {
		env->done(env->data, HC_OK, "");
	}
}

static void directory_cancel(struct store *store)
{
	(void)store; /* a change ends within change() */
}

static void directory_destroy(struct store *store)
{
	struct directory *directory = (struct directory *)store;

	free(directory->path);
	free(directory);
}

static int directory_create(const struct store_env *env, const char *arg, struct store **ret,
			    const char **ret_why)
{
	struct directory *directory;

	(void)env;
	if (*arg != '/') {
		*ret_why = "needs an absolute path, as in directory:/etc/app/roots";
		return -EINVAL;
	}
	directory = calloc(1, sizeof(*directory));
	if (!directory)
		return -ENOMEM;
	directory->path = strdup(arg);
	if (!directory->path) {
		free(directory);
		return -ENOMEM;
	}
	*ret = &directory->store;
	return 0;
}

const struct store_type store_directory = {
	.scheme = "directory",
	.create = directory_create,
	.destroy = directory_destroy,
	.look = directory_look,
	.change = directory_change,
	.cancel = directory_cancel,
};
