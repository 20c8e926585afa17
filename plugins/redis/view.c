#include "redis/view.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define GROUPS_MAX 64
/* linux/capability.h */
#define DAC_OVERRIDE (1ULL << 1)
#define DAC_READ_SEARCH (1ULL << 2)

void view_init(struct view *view, pid_t pid)
{
	char path[32];

	*view = (struct view){.root = -1, .pid = pid};
	if (pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	view->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void view_finish(struct view *view)
{
	if (view->root >= 0)
		close(view->root);
	view->root = -1;
}

/* openat2(2): glibc has no wrapper for it. Absolute links start at the server's root. */
static int open_in_root(int root, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int view_stat(const struct view *view, const char *path, struct stat *ret)
{
	cleanup_close int fd = -1;

	if (view->root < 0)
		return stat(path, ret) == 0 ? 0 : -errno;
	fd = open_in_root(view->root, path);
	if (fd < 0)
		return fd;
	return fstat(fd, ret) == 0 ? 0 : -errno;
}

/* ---- whether a process may read a file ---- */

struct rights {
	uid_t uid;
	gid_t gids[GROUPS_MAX]; /* the process' own first */
	size_t n_gids;
	bool all_gids; /* none was left out */
	uint64_t caps;
};

/* The file system's ids are the last of four (proc_pid_status(5)). */
static void take_line(struct rights *r, const char *line, unsigned *found)
{
	unsigned id;
	int used;

	if (sscanf(line, "Uid: %*u %*u %*u %u", &id) == 1) {
		r->uid = id;
		*found |= 1;
	} else if (sscanf(line, "Gid: %*u %*u %*u %u", &id) == 1) {
		r->gids[r->n_gids++] = id;
		*found |= 2;
	} else if (sscanf(line, "CapEff: %lx", &r->caps) == 1) {
		*found |= 4;
	} else if (strncmp(line, "Groups:", 7) == 0) {
		for (line += 7; r->n_gids < GROUPS_MAX && sscanf(line, "%u%n", &id, &used) == 1;
		     line += used)
			r->gids[r->n_gids++] = id;
		*found |= 8;
	}
}

static bool read_rights(pid_t pid, struct rights *ret)
{
	char path[32], line[1024];
	cleanup_fclose FILE *f = NULL;
	unsigned found = 0;

	*ret = (struct rights){.uid = 0};
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		take_line(ret, line, &found);
	ret->all_gids = ret->n_gids < GROUPS_MAX;
	return found == 15;
}

/* bit: 4 to read a file, 1 to search a directory (path_resolution(7)). */
static bool allows(const struct rights *r, const struct stat *st, unsigned bit)
{
	if (r->uid == st->st_uid)
		return st->st_mode & bit << 6;
	for (size_t i = 0; i < r->n_gids; i++)
		if (r->gids[i] == st->st_gid)
			return st->st_mode & bit << 3;
	return st->st_mode & bit;
}

/* A list of its own may give more than the mode says (acl(5)). */
static bool has_acl(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
}

/* One component; true where it is not certain to be in the way. */
static bool may_pass(const struct view *view, const struct rights *r, const char *path,
		     unsigned bit, char *why, size_t why_size)
{
	cleanup_close int fd = open_in_root(view->root, path);
	struct stat st;

	if (fd == -ENOENT || fd == -ENOTDIR) {
		snprintf(why, why_size,
			 "%.300s is not there for the server: a mount, PrivateTmp "
			 "or ProtectHome hides it",
			 path);
		return false;
	}
	if (fd < 0 || fstat(fd, &st) < 0 || has_acl(fd) || allows(r, &st, bit))
		return true;
	snprintf(why, why_size,
		 "%.300s has mode %04o, owner %u and group %u, the server runs as "
		 "user %u",
		 path, (unsigned)st.st_mode & 07777u, st.st_uid, st.st_gid, r->uid);
	return false;
}

bool view_readable(const struct view *view, const char *path, char *why, size_t why_size)
{
	struct rights rights;
	char part[4096];

	if (view->root < 0 || path[0] != '/' || strlen(path) >= sizeof(part) ||
	    !read_rights(view->pid, &rights) || !rights.all_gids ||
	    rights.caps & (DAC_OVERRIDE | DAC_READ_SEARCH))
		return true;
	for (const char *slash = path; (slash = strchr(slash + 1, '/'));) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (!may_pass(view, &rights, part, 1, why, why_size))
			return false;
	}
	return may_pass(view, &rights, path, 4, why, why_size);
}
