/*
 * floor_redis DIRECTORY SOCKET - one CONFIG SET on a connection that is open already, no check;
 * says the time at +OK
 */
#include "floor.h"

#include <sys/socket.h>
#include <sys/un.h>

static int dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	return fd;
}

static size_t format_command(char *buf, size_t size, const char *directory)
{
	char cert[PATH_MAX + NAME_MAX], key[PATH_MAX + NAME_MAX];

	snprintf(cert, sizeof(cert), "%s/" CERT, directory);
	snprintf(key, sizeof(key), "%s/" KEY, directory);
	return (size_t)snprintf(buf, size,
				"*6\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$13\r\ntls-cert-file\r\n"
				"$%zu\r\n%s\r\n$12\r\ntls-key-file\r\n$%zu\r\n%s\r\n",
				strlen(cert), cert, strlen(key), key);
}

/* A reply is one line here. */
static void expect_ok(int fd)
{
	char reply[512];
	size_t n = 0;

	while (n < 2 || memcmp(reply + n - 2, "\r\n", 2) != 0) {
		ssize_t more = read(fd, reply + n, sizeof(reply) - 1 - n);

		if (more <= 0)
			die("redis");
		n += (size_t)more;
	}
	reply[n] = '\0';
	if (strcmp(reply, "+OK\r\n") != 0) {
		fputs(reply, stderr);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	char command[3 * PATH_MAX];
	int inotify, redis;
	size_t len;

	if (argc != 3)
		return 2;
	inotify = watch_directory(argv[1]);
	redis = dial(argv[2]);
	len = format_command(command, sizeof(command), argv[1]);
	say_ready();
	for (;;) {
		wait_change(inotify);
		if (write(redis, command, len) != (ssize_t)len)
			die("redis");
		expect_ok(redis);
		say_now();
	}
}
