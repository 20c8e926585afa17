/*
 * redis/view - the file system as a server sees it
 *
 * A server at a unix socket has a process, and its root is at /proc/PID/root (proc(5)): behind
 * PrivateTmp, ProtectHome, a chroot or a container, too. Where that cannot be opened, and for
 * servers at other addresses, the view is this process' own, and nobody's rights are known.
 */
#ifndef HC_REDIS_VIEW_H
#define HC_REDIS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct view {
	int root; /* -1: our own */
	pid_t pid;
};

/* pid 0: not known. Finish it. */
void view_init(struct view *view, pid_t pid);
void view_finish(struct view *view);

/* stat(2) of an absolute path as the server sees it; links are followed there. 0 or -errno. */
int view_stat(const struct view *view, const char *path, struct stat *ret);

/*
 * Whether the server's process may read the file. False only where it is certain that it may not;
 * then why says what stands in the way.
 */
bool view_readable(const struct view *view, const char *path, char *why, size_t why_size);

#endif
