#include "redis/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const file_names[SERVER_FILES] = {
	[SERVER_CERT] = "tls-cert-file",
	[SERVER_KEY] = "tls-key-file",
	[SERVER_CA] = "tls-ca-cert-file",
	[SERVER_CLIENT_CERT] = "tls-client-cert-file",
	[SERVER_CLIENT_KEY] = "tls-client-key-file",
};

const char *server_file_name(enum server_file file)
{
	return file_names[file];
}

void server_init(struct server *server)
{
	*server = (struct server){.tls_port = -1, .probe_host = "127.0.0.1"};
}

void server_forget_config(struct server *server)
{
	for (int i = 0; i < SERVER_FILES; i++) {
		free(server->files[i]);
		server->files[i] = NULL;
	}
	server->tls_port = -1;
	server->tls_cluster = false;
	server->cluster_port = 0;
}

void server_finish(struct server *server)
{
	server_forget_config(server);
	free(server->dir);
	server_init(server);
}

static bool is_text(const redisReply *reply)
{
	return reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS) &&
	       reply->str && memchr(reply->str, '\0', (size_t)reply->len) == NULL;
}

/* Words of the server end up in the log and in status: nothing but what versions and roles are made
 * of. */
static void copy_word(const redisReply *reply, char *buf, size_t size)
{
	size_t n = strspn(reply->str, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_+");

	snprintf(buf, size, "%.*s", (int)(n < size ? n : size - 1), reply->str);
}

static uint32_t parse_version(const char *text)
{
	unsigned major = 0, minor = 0, patch = 0;

	if (sscanf(text, "%3u.%3u.%3u", &major, &minor, &patch) < 1)
		return 0;
	if (major > 255 || minor > 255 || patch > 255)
		return 0;
	return SERVER_VERSION(major, minor, patch);
}

static void take_hello_pair(struct server *server, const redisReply *key, const redisReply *value)
{
	if (strcmp(key->str, "server") == 0)
		copy_word(value, server->product, sizeof(server->product));
	else if (strcmp(key->str, "mode") == 0)
		copy_word(value, server->mode, sizeof(server->mode));
	else if (strcmp(key->str, "role") == 0)
		copy_word(value, server->role, sizeof(server->role));
	else if (strcmp(key->str, "version") == 0)
		copy_word(value, server->version_text, sizeof(server->version_text));
}

void server_take_hello(struct server *server, const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return;
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		if (is_text(reply->element[i]) && is_text(reply->element[i + 1]))
			take_hello_pair(server, reply->element[i], reply->element[i + 1]);
	server->version = parse_version(server->version_text);
}

static int replace(char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

static int parse_port(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	return *text && *end == '\0' && port >= 0 && port <= UINT16_MAX ? (int)port : -1;
}

static int take_config_pair(struct server *server, const char *key, const char *value)
{
	for (int i = 0; i < SERVER_FILES; i++)
		if (strcmp(key, file_names[i]) == 0)
			return replace(&server->files[i], value);
	if (strcmp(key, "dir") == 0)
		return replace(&server->dir, value);
	if (strcmp(key, "bind") == 0)
		server_pick_host(value, server->probe_host, sizeof(server->probe_host));
	else if (strcmp(key, "tls-port") == 0)
		server->tls_port = parse_port(value);
	else if (strcmp(key, "cluster-port") == 0)
		server->cluster_port = parse_port(value);
	else if (strcmp(key, "tls-cluster") == 0)
		server->tls_cluster = strcmp(value, "yes") == 0;
	return 0;
}

int server_take_config(struct server *server, const redisReply *reply)
{
	int r = 0;

	if (reply->type != REDIS_REPLY_ARRAY)
		return 0;
	for (size_t i = 0; r == 0 && i + 1 < reply->elements; i += 2)
		if (is_text(reply->element[i]) && is_text(reply->element[i + 1]))
			r = take_config_pair(server, reply->element[i]->str,
					     reply->element[i + 1]->str);
	return r;
}

enum set_form server_set_form(const struct server *server)
{
	if (server->version >> 16 == 6)
		return SET_SINGLE;
	if (server->version == SERVER_VERSION(7, 0, 0))
		return SET_RESPELLED;
	return SET_MULTI;
}

bool server_checks_dates(const struct server *server)
{
	return strcmp(server->product, "valkey") == 0 && server->version >= SERVER_VERSION(9, 1, 0);
}

/* cluster-port (7.0), else the port and CLUSTER_PORT_INCR (src/cluster.h). */
uint16_t server_bus_port(const struct server *server)
{
	int port = server->cluster_port > 0 ? server->cluster_port : server->tls_port + 10000;

	if (strcmp(server->mode, "cluster") != 0 || !server->tls_cluster || server->tls_port <= 0)
		return 0;
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool server_is_replica(const struct server *server)
{
	return strcmp(server->role, "replica") == 0 || strcmp(server->role, "slave") == 0;
}

static bool is_word(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(word, text, len) == 0;
}

/* Whether an address of `bind` covers the loopback, and which. */
static const char *loopback_of(const char *word, size_t len)
{
	if (is_word(word, len, "*") || is_word(word, len, "0.0.0.0") ||
	    is_word(word, len, "127.0.0.1"))
		return "127.0.0.1";
	if (is_word(word, len, "::*") || is_word(word, len, "::") || is_word(word, len, "::1"))
		return "::1";
	return NULL;
}

/* A '-' before an address: it may be missing at start (redis.conf, 7.0). */
void server_pick_host(const char *bind, char *buf, size_t size)
{
	const char *host = NULL, *loopback;
	size_t len, host_len = 0;

	for (; *(bind += strspn(bind, " -")); bind += len) {
		len = strcspn(bind, " ");
		loopback = loopback_of(bind, len);
		if (loopback && (!host || strcmp(loopback, "127.0.0.1") == 0)) {
			snprintf(buf, size, "%s", loopback);
			return;
		}
		if (!host) {
			host = bind;
			host_len = len;
		}
	}
	if (host && host_len < size)
		snprintf(buf, size, "%.*s", (int)host_len, host);
	else
		snprintf(buf, size, "127.0.0.1");
}

void server_describe(const struct server *server, char *buf, size_t size)
{
	if (!server->version_text[0]) {
		snprintf(buf, size, "a server of unknown version");
		return;
	}
	snprintf(buf, size, "%s %s %s %s", server->product, server->version_text, server->mode,
		 server->role);
}
