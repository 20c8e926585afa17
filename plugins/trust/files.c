#include "trust/files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "common/pem.h"

static void first_fingerprint(void *data, const uint8_t *der, size_t len,
			      const uint8_t fingerprint[32])
{
	uint8_t **ret = data;

	(void)der;
	(void)len;
	if (*ret)
		memcpy(*ret, fingerprint, 32);
	*ret = NULL;
}

/* The fingerprint of the first certificate in a file; zeros where there is none. */
static void content_of(const char *path, uint8_t ret[32])
{
	cleanup_free char *text = NULL;
	uint8_t *to = ret;
	size_t len = 0;

	memset(ret, 0, 32);
	if (store_read(path, &text, &len) == 0)
		pem_each(text, len, first_fingerprint, &to);
}

/* A file of ours; `gone` where a change that takes it out was cut short. */
static int note_ours(const char *dir, const char *name, bool gone, const struct name_parts *parts,
		     struct inventory *inventory)
{
	uint8_t content[32];
	char path[PATH_MAX];

	if (gone)
		return inventory_own_damaged(inventory, parts, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	content_of(path, content);
	if (memcmp(content, parts->fingerprint, sizeof(parts->fingerprint)) != 0)
		return inventory_own_damaged(inventory, parts, name);
	return inventory_own(inventory, content, name);
}

static int note_file(const struct store *store, const char *dir, const char *suffix,
		     const char *file, struct inventory *inventory)
{
	size_t len = strlen(file), cut = strlen(FILES_GONE);
	bool gone =
		*file == FILES_HIDDEN && len > cut + 1 && strcmp(file + len - cut, FILES_GONE) == 0;
	struct name_parts parts;
	char name[NAME_MAX + 1];

	snprintf(name, sizeof(name), "%.*s", (int)(gone ? len - cut - 1 : len), file + gone);
	if (!name_parse(name, suffix, &parts))
		return 0;
	if (name_is_of(&parts, store->env->instance))
		return note_ours(dir, name, gone, &parts, inventory);
	if (!gone)
		inventory_note_others(inventory, &parts);
	return 0;
}

int files_look(const struct store *store, const char *dir, const char *suffix,
	       struct inventory *inventory)
{
	DIR *stream = opendir(dir);
	struct dirent *file;
	int r = 0;

	if (!stream)
		return -errno;
	while (r == 0 && (file = readdir(stream)))
		r = note_file(store, dir, suffix, file->d_name, inventory);
	closedir(stream);
	return r;
}

int files_write(const struct store *store, const char *dir, const char *suffix,
		const struct entry *entry)
{
	const struct store_env *env = store->env;
	char name[NAME_FILE], path[PATH_MAX];
	struct hc_replace replace = {
		.size = sizeof(replace),
		.path = path,
		.data = entry->root->pem,
		.len = strlen(entry->root->pem),
		.mode = 0644,
		.uid = (uint32_t)-1,
		.gid = (uint32_t)-1,
	};

	name_file(env->instance, entry->fingerprint, entry->root->label, suffix, name);
	snprintf(path, sizeof(path), "%s/%s", dir, entry->name ? entry->name : name);
	return env->host->replace(env->ctx, &replace);
}
