/*
 * ctl/ask - one question to hotcertd
 */
#include "ctl/ask.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

/* How long a daemon may take to accept and read: it is never away from its loop for that long. */
#define CONNECT_SECONDS 30

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const char *what_to_do(int err)
{
	switch (err) {
	case ENOENT:
		return "hotcertd is not running, or has another runtime_dir: see `systemctl status "
		       "hotcertd`, or give the socket with -s";
	case ECONNREFUSED:
		return "the socket is there, but nobody listens: hotcertd has died; see `systemctl "
		       "status hotcertd`";
	case EACCES:
	case EPERM:
		return "only root and the daemon's user may ask; try sudo";
	case EAGAIN:
	case ETIMEDOUT:
		return "hotcertd is there, but does not take connections; see `journalctl -u "
		       "hotcertd`";
	default:
		return "see `systemctl status hotcertd`";
	}
}

static int unreachable(struct str *why, const char *path, int err)
{
	str_addf(why, "cannot reach hotcertd at %s: %s; %s", path, strerror(err), what_to_do(err));
	return -1;
}

static int connect_to(const char *path, struct str *why)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	/* unix(7): a full backlog makes connect(2) wait for as long as sending may */
	struct timeval patience = {.tv_sec = CONNECT_SECONDS};
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return unreachable(why, path, ENAMETOOLONG);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return unreachable(why, path, errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int err = errno;

		close(fd);
		return unreachable(why, path, err);
	}
	return fd;
}

/* A server that closes early has said why: what is not sent is no error yet. */
static void send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

/* 1: something to read; 0: the time is over. */
static int wait_readable(int fd, int64_t end)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left = end ? end - now_ms() : -1;
	int n;

	if (end && left <= 0)
		return 0;
	n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	return n < 0 && errno == EINTR ? 1 : n;
}

static int read_line(int fd, struct str *line, int64_t timeout_ms, struct str *why)
{
	int64_t end = timeout_ms ? now_ms() + timeout_ms : 0;
	char data[16384];

	for (;;) {
		ssize_t n;

		if (wait_readable(fd, end) <= 0) {
			str_addf(
				why,
				"hotcertd has not answered within %lld s; a plugin may hold it up: "
				"see `journalctl -u hotcertd`",
				(long long)timeout_ms / 1000);
			return -1;
		}
		n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		str_add_n(line, data, (size_t)n);
		if (data[n - 1] == '\n')
			return 0;
	}
	str_add(why,
		"hotcertd closed the connection without an answer; it is stopping, or has died");
	return -1;
}

int ask(const char *socket_path, const char *line, int64_t timeout_ms, json_t **ret_answer,
	struct str *why)
{
	struct str text = {0};
	json_error_t error;
	json_t *answer;
	int fd = connect_to(socket_path, why);
	int r;

	if (fd < 0)
		return -1;
	send_all(fd, line, strlen(line));
	r = read_line(fd, &text, timeout_ms, why);
	close(fd);
	if (r == 0) {
		answer = json_loadb(str_get(&text), text.len, 0, &error);
		if (json_is_boolean(json_object_get(answer, "ok"))) {
			*ret_answer = answer;
		} else {
			json_decref(answer);
			str_addf(why, "%s is not the socket of a hotcertd: its answer is not JSON",
				 socket_path);
			r = -1;
		}
	}
	str_finish(&text);
	return r;
}
