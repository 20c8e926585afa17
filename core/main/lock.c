/*
 * main/lock - the daemon's directories, and that only one daemon has them
 */
#include "main/lock.h"

#include "base/fs.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int make(const char *key, const char *path, mode_t mode)
{
	int r = fs_mkdir(path, mode);

	if (r < 0)
		log_error("%s %s: cannot be made: %s", key, path, strerror(-r));
	return r < 0 ? -1 : 0;
}

/* Who listens on the control socket in dir, by SO_PEERCRED; -1: nobody. */
static int running_pid(const char *dir)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {.pid = -1};
	socklen_t size = sizeof(peer);
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control.sock", dir);

	if (fd < 0)
		return -1;
	if (n > 0 && (size_t)n < sizeof(addr.sun_path) &&
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	close(fd);
	return (int)peer.pid;
}

static void log_taken(const char *dir)
{
	int pid = running_pid(dir);

	if (pid > 0)
		log_error("runtime_dir %s: another hotcertd, process %d, runs here; stop it, or "
			  "give this one a directory of its own (-R, and -S)",
			  dir, pid);
	else
		log_error("runtime_dir %s: another hotcertd is starting or stopping here", dir);
}

int lock_directories(const struct config_daemon *daemon, int *ret_fd)
{
	const char *dir = daemon->runtime_dir;
	int fd;

	if (make("runtime_dir", dir, 0755) < 0 || make("state_dir", daemon->state_dir, 0700) < 0)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		log_error("runtime_dir %s: %s", dir, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			log_taken(dir);
		else
			log_error("runtime_dir %s: cannot be locked: %s", dir, strerror(errno));
		close(fd);
		return -1;
	}
	*ret_fd = fd;
	return 0;
}

void lock_release(int fd)
{
	if (fd >= 0)
		close(fd);
}
