/*
 * redis/files - whether a server's configured files are the watched ones, and the command to load
 * them
 */
#ifndef HC_REDIS_FILES_H
#define HC_REDIS_FILES_H

#include "redis/server.h"
#include "redis/view.h"
#include "redis/wanted.h"

#include <stdbool.h>
#include <stddef.h>

/* Which of a server's files are watched; certificate and key always are. */
struct files_use {
	bool ca;
	bool client_pair;
	bool moves; /* the server has other files, and is to use the watched ones */
};

/*
 * Compares the server's certificate and key with the watched ones: the same path, or the same file
 * by device and inode, links followed; view is the server's. Where they differ and may_move is set,
 * ret_use says so. Returns 0, or -EINVAL and one line in why: what differs and what to do.
 */
int files_compare(const struct server *server, const struct wanted *wanted, const struct view *view,
		  bool may_move, struct files_use *ret_use, char *why, size_t why_size);

/* The server's path of one of its files, absolute. 0, or -ENAMETOOLONG; -ENOENT: it has none. */
int files_path(const struct server *server, enum server_file file, char *buf, size_t size);

/* The same file under another name: "/x/c.pem" and "/x/./c.pem" in turn. 0, or -ENAMETOOLONG. */
int files_respell(const char *path, char *buf, size_t size);

#define FILES_SET_WORDS 16

/* CONFIG SET in the form that the version needs. argv points into what it was made of, and into
 * spelled. */
struct files_set {
	int argc;
	const char *argv[FILES_SET_WORDS];
	char spelled[2][4096 + 2];
};

/* What a command is made of. */
struct files_order {
	const char *config; /* the command's name: "CONFIG", or what it was renamed to */
	const struct server *server;
	const struct wanted *wanted;
	const struct files_use *use;
	const char *passphrase; /* of the key; NULL: the server knows it */
};

/* The command that loads the files. Returns 0, or -ENAMETOOLONG. */
int files_set_command(const struct files_order *order, struct files_set *ret_set);
/* The command that goes back to the paths that the server had. */
void files_undo_command(const struct files_order *order, struct files_set *ret_set);

#endif
