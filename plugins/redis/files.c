#include "redis/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Relative names start at the server's working directory. */
int files_path(const struct server *server, enum server_file file, char *buf, size_t size)
{
	const char *path = server->files[file];
	int n;

	if (!path || !*path)
		return -ENOENT;
	if (path[0] == '/' || !server->dir)
		n = snprintf(buf, size, "%s", path);
	else
		n = snprintf(buf, size, "%s/%s", server->dir, path);
	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	path_tidy(buf);
	return 0;
}

static bool same_path(const char *path, const char *other)
{
	char tidy[4096];

	snprintf(tidy, sizeof(tidy), "%s", other);
	path_tidy(tidy);
	return strcmp(path, tidy) == 0;
}

static bool same_inode(const struct view *view, const char *theirs, const char *ours)
{
	struct stat a, b;

	return view_stat(view, theirs, &a) == 0 && stat(ours, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static bool same_file(const struct server *server, enum server_file file,
		      const struct wanted_path *watched, const struct view *view)
{
	char name[4096];

	if (!watched->ours || files_path(server, file, name, sizeof(name)) < 0)
		return false;
	if (same_path(name, watched->theirs))
		return true;
	for (int i = 0; i < 2; i++) /* once more, lest it was replaced between the two looks */
		if (same_inode(view, name, watched->ours))
			return true;
	return false;
}

static int differs(const struct server *server, enum server_file file,
		   const struct wanted_path *watched, char *why, size_t why_size)
{
	const char *path = server->files[file];

	if (!path)
		snprintf(why, why_size, "the server has no parameter %s: it is built without TLS",
			 server_file_name(file));
	else
		snprintf(why, why_size,
			 "the server is configured with %s \"%.500s\", the watch has \"%.500s\": "
			 "point one of them at the other's file, or say with path_map how the "
			 "server calls it, or set_paths = yes; nothing was changed",
			 server_file_name(file), path, watched->theirs);
	return -EINVAL;
}

/* 6.x takes one parameter at a time, and refuses half a pair. */
static int plan_move(const struct server *server, struct files_use *ret_use, char *why,
		     size_t why_size)
{
	if (server_set_form(server) == SET_SINGLE) {
		snprintf(why, why_size,
			 "set_paths needs Redis 7.0 or later: %s takes one parameter at a time",
			 server->version_text);
		return -EINVAL;
	}
	ret_use->moves = true;
	return 0;
}

static int compare_pair(const struct server *server, const struct wanted *wanted,
			const struct view *view, bool may_move, struct files_use *ret_use,
			char *why, size_t why_size)
{
	bool cert = same_file(server, SERVER_CERT, &wanted->cert, view);

	if (cert && same_file(server, SERVER_KEY, &wanted->key, view))
		return 0;
	if (may_move && server->files[SERVER_CERT] && server->files[SERVER_KEY])
		return plan_move(server, ret_use, why, why_size);
	if (!cert)
		return differs(server, SERVER_CERT, &wanted->cert, why, why_size);
	return differs(server, SERVER_KEY, &wanted->key, why, why_size);
}

int files_compare(const struct server *server, const struct wanted *wanted, const struct view *view,
		  bool may_move, struct files_use *ret_use, char *why, size_t why_size)
{
	struct files_use use = {.moves = false};

	if (compare_pair(server, wanted, view, may_move, &use, why, why_size) < 0)
		return -EINVAL;
	use.ca = same_file(server, SERVER_CA, &wanted->ca, view);
	use.client_pair = same_file(server, SERVER_CLIENT_CERT, &wanted->cert, view) &&
			  same_file(server, SERVER_CLIENT_KEY, &wanted->key, view);
	*ret_use = use;
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

static void add(struct files_set *set, const char *name, const char *value)
{
	set->argv[set->argc++] = name;
	set->argv[set->argc++] = value;
}

static void add_file(struct files_set *set, const struct server *server, enum server_file file)
{
	add(set, server_file_name(file), server->files[file]);
}

static int add_respelled(struct files_set *set, const struct server *server, enum server_file file,
			 int i)
{
	int r = files_respell(server->files[file], set->spelled[i], sizeof(set->spelled[i]));

	add(set, server_file_name(file), set->spelled[i]);
	return r;
}

static int add_pair(struct files_set *set, const struct files_order *o)
{
	const struct server *s = o->server;
	int r = 0;

	if (o->use->moves) {
		add(set, server_file_name(SERVER_CERT), o->wanted->cert.theirs);
		add(set, server_file_name(SERVER_KEY), o->wanted->key.theirs);
	} else if (server_set_form(s) == SET_RESPELLED) {
		r = add_respelled(set, s, SERVER_CERT, 0);
		if (r == 0)
			r = add_respelled(set, s, SERVER_KEY, 1);
	} else {
		add_file(set, s, SERVER_CERT);
		add_file(set, s, SERVER_KEY);
	}
	return r;
}

static void start(struct files_set *set, const struct files_order *o)
{
	*set = (struct files_set){.argc = 2, .argv = {o->config, "SET"}};
}

int files_set_command(const struct files_order *o, struct files_set *ret_set)
{
	struct files_set *set = ret_set;
	int r;

	start(set, o);
	if (server_set_form(o->server) == SET_SINGLE) {
		if (o->passphrase) /* a changed one is enough to have all read again */
			add(set, "tls-key-file-pass", o->passphrase);
		else
			add_file(set, o->server, SERVER_CERT);
		return 0;
	}
	r = add_pair(set, o);
	if (o->passphrase)
		add(set, "tls-key-file-pass", o->passphrase);
	if (o->use->ca)
		add_file(set, o->server, SERVER_CA);
	if (o->use->client_pair) {
		add_file(set, o->server, SERVER_CLIENT_CERT);
		add_file(set, o->server, SERVER_CLIENT_KEY);
		if (o->passphrase)
			add(set, "tls-client-key-file-pass", o->passphrase);
	}
	return r;
}

void files_undo_command(const struct files_order *o, struct files_set *ret_set)
{
	start(ret_set, o);
	add_file(ret_set, o->server, SERVER_CERT);
	add_file(ret_set, o->server, SERVER_KEY);
}
