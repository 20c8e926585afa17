/*
 * redis/files - whether a server's configured files are the watched ones, and the command to load
 * them
 */
#ifndef HC_REDIS_FILES_H
#define HC_REDIS_FILES_H

#include "redis/server.h"
#include "redis/wanted.h"

#include <stdbool.h>
#include <stddef.h>

/* Which of a server's files are watched; certificate and key always are. */
struct files_use {
	bool ca;
	bool client_pair;
};

/*
 * Compares the server's certificate and key with the watched ones: the same path, or the same file
 * by device and inode, links followed. Returns 0, or -EINVAL and one line in why: what differs and
 * what to do.
 */
int files_compare(const struct server *server, const struct wanted *wanted,
		  struct files_use *ret_use, char *why, size_t why_size);

/* The same file under another name: "/x/c.pem" and "/x/./c.pem" in turn. 0, or -ENAMETOOLONG. */
int files_respell(const char *path, char *buf, size_t size);

#define FILES_SET_WORDS 12

/* CONFIG SET in the form that the version needs. argv points into the server and into spelled. */
struct files_set {
	int argc;
	const char *argv[FILES_SET_WORDS];
	char spelled[2][4096 + 2];
};

/* Returns 0, or -ENAMETOOLONG. */
int files_set_command(const struct server *server, const struct files_use *use,
		      struct files_set *ret_set);

#endif
