/*
 * model/config_dirs - which drop-ins there are (UAPI.6, systemd's conf.d rules)
 */
#include "model/config_dirs.h"

#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char *const default_dirs[] = {
	"/usr/lib/hotcert/conf.d",
	"/run/hotcert/conf.d",
	"/etc/hotcert/conf.d",
	NULL,
};

/* One *.conf in one directory. */
struct drop_in {
	char *path;
	const char *name; /* in path */
	size_t rank;	  /* of its directory; the highest wins */
};

struct drop_ins {
	struct drop_in *items;
	size_t n;
	size_t size;
};

static int add(struct drop_ins *found, const char *dir, const char *name, size_t rank)
{
	struct drop_in *item;

	if (found->n == found->size) {
		size_t size = found->size ? found->size * 2 : 16;
		struct drop_in *items = reallocarray(found->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		found->items = items;
		found->size = size;
	}
	item = &found->items[found->n];
	item->path = str_format("%s/%s", dir, name);
	if (!item->path)
		return -ENOMEM;
	item->name = item->path + strlen(dir) + 1;
	item->rank = rank;
	found->n++;
	return 0;
}

/* "x.conf" for any x that is neither empty nor begins with a dot. */
static bool is_drop_in(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && name[0] != '.' && !strcmp(name + len - 5, ".conf");
}

static int scan(struct drop_ins *found, const char *dir, size_t rank, bool may_miss,
		struct errors *errors)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int r = 0;

	if (!d) {
		if (errno == ENOENT && may_miss)
			return 0;
		errors_add(errors, "%s: the directory of drop-ins cannot be read: %s", dir,
			   strerror(errno));
		return 1;
	}
	errno = 0;
	while (r == 0 && (entry = readdir(d)))
		if (is_drop_in(entry->d_name))
			r = add(found, dir, entry->d_name, rank);
	if (r == 0 && errno) {
		errors_add(errors, "%s: the directory of drop-ins cannot be read: %s", dir,
			   strerror(errno));
		r = 1;
	}
	closedir(d);
	return r;
}

/* By name; of equal names the strongest first. */
static int compare(const void *a, const void *b)
{
	const struct drop_in *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r != 0)
		return r;
	return x->rank < y->rank ? 1 : x->rank > y->rank ? -1 : 0;
}

static bool is_dev_null(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* Takes the paths that count out of found; it is sorted. */
static int select_paths(struct drop_ins *found, struct config_dirs *ret)
{
	char **paths = reallocarray(NULL, found->n + 1, sizeof(*paths));
	size_t n = 0;

	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < found->n; i++) {
		struct drop_in *item = &found->items[i];

		if (i && !strcmp(item->name, found->items[i - 1].name))
			continue;
		if (!is_dev_null(item->path))
			paths[n++] = steal(&item->path);
	}
	*ret = (struct config_dirs){paths, n};
	return 0;
}

int config_dirs_find(const char *const *dirs, struct errors *errors, struct config_dirs *ret_found)
{
	struct drop_ins found = {0};
	bool may_miss = !dirs, failed = false;
	int r = 0;

	if (!dirs)
		dirs = default_dirs;
	for (size_t i = 0; r >= 0 && dirs[i]; i++) {
		r = scan(&found, dirs[i], i, may_miss, errors);
		failed = failed || r > 0;
	}
	if (r >= 0) {
		if (found.n)
			qsort(found.items, found.n, sizeof(*found.items), compare);
		r = select_paths(&found, ret_found);
	}
	for (size_t i = 0; i < found.n; i++)
		free(found.items[i].path);
	free(found.items);
	return r < 0 ? r : failed;
}

void config_dirs_finish(struct config_dirs *found)
{
	for (size_t i = 0; i < found->n; i++)
		free(found->paths[i]);
	free(found->paths);
	*found = (struct config_dirs){0};
}
