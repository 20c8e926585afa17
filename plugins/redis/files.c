#include "redis/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Relative names start at the server's working directory. */
static int absolute(const struct server *server, const char *path, char *buf, size_t size)
{
	int n;

	if (path[0] == '/' || !server->dir)
		n = snprintf(buf, size, "%s", path);
	else
		n = snprintf(buf, size, "%s/%s", server->dir, path);
	return n >= 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static bool same_file(const struct server *server, enum server_file file, const char *watched)
{
	const char *path = server->files[file];
	struct stat theirs, ours;
	char name[4096];

	if (!path || !*path || absolute(server, path, name, sizeof(name)) < 0)
		return false;
	if (strcmp(name, watched) == 0)
		return true;
	return stat(name, &theirs) == 0 && stat(watched, &ours) == 0 &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

static int differs(const struct server *server, enum server_file file, const char *watched,
		   char *why, size_t why_size)
{
	const char *path = server->files[file];

	if (!path)
		snprintf(why, why_size, "the server has no parameter %s: it is built without TLS",
			 server_file_name(file));
	else
		snprintf(why, why_size,
			 "the server is configured with %s \"%.500s\", the watch has \"%.500s\": "
			 "point one of them at the other's file; nothing was changed",
			 server_file_name(file), path, watched);
	return -EINVAL;
}

int files_compare(const struct server *server, const struct wanted *wanted,
		  struct files_use *ret_use, char *why, size_t why_size)
{
	if (!same_file(server, SERVER_CERT, wanted->cert_path))
		return differs(server, SERVER_CERT, wanted->cert_path, why, why_size);
	if (!same_file(server, SERVER_KEY, wanted->key_path))
		return differs(server, SERVER_KEY, wanted->key_path, why, why_size);
	ret_use->ca = wanted->ca_path && same_file(server, SERVER_CA, wanted->ca_path);
	ret_use->client_pair = same_file(server, SERVER_CLIENT_CERT, wanted->cert_path) &&
			       same_file(server, SERVER_CLIENT_KEY, wanted->key_path);
	return 0;
}

int files_respell(const char *path, char *buf, size_t size)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t dir = (size_t)(name - path);
	int n;

	if (dir >= 2 && path[dir - 2] == '.' && (dir == 2 || path[dir - 3] == '/'))
		n = snprintf(buf, size, "%.*s%s", (int)(dir - 2), path, name);
	else
		n = snprintf(buf, size, "%.*s./%s", (int)dir, path, name);
	return n >= 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static void add(struct files_set *set, const struct server *server, enum server_file file,
		const char *path)
{
	set->argv[set->argc++] = server_file_name(file);
	set->argv[set->argc++] = path ? path : server->files[file];
}

int files_set_command(const struct server *server, const struct files_use *use,
		      struct files_set *ret_set)
{
	enum set_form form = server_set_form(server);
	struct files_set *set = ret_set;
	const char *cert = NULL, *key = NULL;

	*set = (struct files_set){.argc = 2, .argv = {"CONFIG", "SET"}};
	if (form == SET_RESPELLED) {
		if (files_respell(server->files[SERVER_CERT], set->spelled[0],
				  sizeof(set->spelled[0])) < 0 ||
		    files_respell(server->files[SERVER_KEY], set->spelled[1],
				  sizeof(set->spelled[1])) < 0)
			return -ENAMETOOLONG;
		cert = set->spelled[0];
		key = set->spelled[1];
	}
	add(set, server, SERVER_CERT, cert);
	if (form == SET_SINGLE)
		return 0;
	add(set, server, SERVER_KEY, key);
	if (use->ca)
		add(set, server, SERVER_CA, NULL);
	if (use->client_pair) {
		add(set, server, SERVER_CLIENT_CERT, NULL);
		add(set, server, SERVER_CLIENT_KEY, NULL);
	}
	return 0;
}
