/*
 * floor - what the bare programs of the benchmark share: no daemon can do less than they do
 */
#ifndef TESTS_BENCH_FLOOR_H
#define TESTS_BENCH_FLOOR_H

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define CERT "redis.crt"
#define KEY "redis.key"

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The line that the driver waits for: a moment of CLOCK_MONOTONIC, in nanoseconds. */
static inline void say_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
	fflush(stdout);
}

static inline void say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

static inline int watch_directory(const char *directory)
{
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0 || inotify_add_watch(fd, directory, IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
		die(directory);
	return fd;
}

/* Waits until one of the two files was replaced or written; what comes together is one change. */
static inline void wait_change(int fd)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool changed = false;

	while (!changed) {
		ssize_t n = read(fd, buf, sizeof(buf));
		const char *p = buf;

		if (n <= 0)
			die("inotify");
		while (p < buf + n) {
			const struct inotify_event *event = (const void *)p;

			if (event->len && (!strcmp(event->name, CERT) || !strcmp(event->name, KEY)))
				changed = true;
			p += sizeof(*event) + event->len;
		}
	}
}

#endif
