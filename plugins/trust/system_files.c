/*
 * The system store, third part: the files and links that are ours
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "trust/system.h"

/* "name.pem" for "name.crt": how Debian's program calls its link to a file of ours. */
static void link_name(const char *name, char ret[NAME_FILE])
{
	size_t len = strlen(name) - strlen(SYSTEM_SUFFIX);

	snprintf(ret, NAME_FILE, "%.*s.pem", (int)len, name);
}

static void gone_path(const struct system *sys, const struct entry *entry, char ret[PATH_MAX])
{
	char name[1 + NAME_FILE + sizeof(FILES_GONE)];

	snprintf(name, sizeof(name), "%c%s" FILES_GONE, FILES_HIDDEN, entry->name);
	system_path(&sys->store, sys->family->anchors, name, ret);
}

static bool leads_somewhere(const char *dir, const char *target)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, target);
	return access(*target == '/' ? target : path, F_OK) == 0;
}

/* Whether what a hash link leads to is there when the change is done. */
static bool link_stays(void *data, const char *target)
{
	const struct system *sys = data;
	const struct inventory *inventory = sys->inventory;
	size_t len = strlen(target), cut = strlen(FILES_GONE);
	char name[NAME_FILE], path[PATH_MAX];

	for (size_t i = 0; i < inventory->n; i++) {
		if (inventory->list[i].todo != TODO_REMOVE)
			continue;
		link_name(inventory->list[i].name, name);
		if (strcmp(name, target) == 0)
			return false;
	}
	if (len > cut && strcmp(target + len - cut, FILES_GONE) == 0)
		return false;
	system_path(&sys->store, sys->family->links, "", path);
	return leads_somewhere(path, target);
}

/* Opens the directory of links; -1 where the family has none, or it is not there. */
static int open_links(const struct system *sys)
{
	char path[PATH_MAX];

	if (!sys->family->links)
		return -1;
	system_path(&sys->store, sys->family->links, "", path);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A file that says what has been there, in words that a program which reads every file passes over.
 */
static int leave_note(const char *path)
{
	static const char note[] = "hotcert takes a root out and has not finished\n";
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	return write(fd, note, sizeof(note) - 1) < 0 ? -errno : 0;
}

/* A second name for the file, where hash links can lead to it. */
static int keep_for_links(const char *path, const char *gone)
{
	return link(path, gone) < 0 && errno != EEXIST && errno != ENOENT ? -errno : 0;
}

/*
 * Takes our file out of sight, in an order in which a client finds the root until the bundle is
 * built without it: a second name for the file, hash links that lead to that name, and only then
 * the first goes.
 */
static int take_out(struct system *sys, const struct entry *entry, int links)
{
	char path[PATH_MAX], gone[PATH_MAX], name[NAME_FILE];
	int r;

	system_path(&sys->store, sys->family->anchors, entry->name, path);
	gone_path(sys, entry, gone);
	link_name(entry->name, name);
	r = links >= 0 ? keep_for_links(path, gone) : leave_note(gone);
	if (r == 0 && links >= 0)
		r = links_release(links, name, gone, link_stays, sys, &sys->released);
	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (links >= 0 && unlinkat(links, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int system_files_write(struct system *sys)
{
	cleanup_close int links = open_links(sys);
	char dir[PATH_MAX];
	int r = 0;

	system_path(&sys->store, sys->family->anchors, "", dir);
	for (size_t i = 0; r == 0 && i < sys->inventory->n; i++) {
		const struct entry *entry = &sys->inventory->list[i];

		if (entry->todo == TODO_INSTALL)
			r = files_write(&sys->store, dir, SYSTEM_SUFFIX, entry);
		else if (entry->todo == TODO_REMOVE)
			r = take_out(sys, entry, links);
	}
	return r;
}

bool system_link_is_outward(const struct store *store, const struct family *family,
			    const char *name)
{
	size_t len = strlen(store->env->sysroot);
	char link[NAME_FILE], path[PATH_MAX], target[PATH_MAX];

	if (len == 0 || !family->links)
		return false;
	link_name(name, link);
	return readlink(system_path(store, family->links, link, path), target, sizeof(target)) >
		       (ssize_t)len &&
	       memcmp(target, store->env->sysroot, len) == 0;
}

int system_files_settle(struct system *sys)
{
	cleanup_close int links = open_links(sys);
	char gone[PATH_MAX];
	int r = 0;

	if (links >= 0)
		r = links_tidy(links, &sys->released, link_stays, sys);
	if (r == 0 && links >= 0 && *sys->store.env->sysroot)
		r = links_rebase(links, sys->store.env->sysroot, sys->family->up);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sys->inventory->n; i++) {
		const struct entry *entry = &sys->inventory->list[i];

		if (entry->todo == TODO_NOTHING || !entry->name)
			continue;
		gone_path(sys, entry, gone);
		unlink(gone);
	}
	return 0;
}
