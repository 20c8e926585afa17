/*
 * redis/server - what a server says of itself in reply to HELLO and CONFIG GET
 */
#ifndef HC_REDIS_SERVER_H
#define HC_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

/* The parameters that name files. */
enum server_file {
	SERVER_CERT,
	SERVER_KEY,
	SERVER_CA,
	SERVER_CLIENT_CERT,
	SERVER_CLIENT_KEY,
	SERVER_FILES, /* their number */
};

#define SERVER_VERSION(major, minor, patch)                                                        \
	((uint32_t)(major) << 16 | (uint32_t)(minor) << 8 | (uint32_t)(patch))

struct server {
	char product[16];	   /* "redis", "valkey"; "" unknown */
	char version_text[24];	   /* "7.0.15" */
	uint32_t version;	   /* SERVER_VERSION(); 0: unknown */
	char mode[16];		   /* "standalone", "cluster", "sentinel" */
	char role[16];		   /* "master", "replica" */
	char *files[SERVER_FILES]; /* in the server's spelling, "" where unset; NULL: not known */
	char *dir;	     /* its working directory, where relative names start; may be NULL */
	char probe_host[64]; /* where this host reaches it, from `bind` */
	int tls_port;	     /* 0: none; -1: not known */
	bool tls_cluster;    /* the cluster bus speaks TLS */
	int cluster_port;    /* 0: not set */
};

/* How CONFIG SET makes a version read its files again. */
enum set_form {
	SET_MULTI,     /* all parameters in one command: from 7.0.1 on */
	SET_SINGLE,    /* one parameter, at which 6.x reads all of them again */
	SET_RESPELLED, /* 7.0.0 ignores a path that has not changed (redis#9748, fixed in 7.0.1) */
};

/* The parameter's name, as "tls-cert-file". */
const char *server_file_name(enum server_file file);

void server_init(struct server *server);
void server_finish(struct server *server);

/* Takes the array of HELLO 2 (RESP2). Odd replies leave all unknown. */
void server_take_hello(struct server *server, const redisReply *reply);

/* Forgets files and port, which a warm connection asks for anew. */
void server_forget_config(struct server *server);

/* Takes the pairs of a CONFIG GET. Returns 0 or -ENOMEM; parameters that are not needed are
 * skipped. */
int server_take_config(struct server *server, const redisReply *reply);

enum set_form server_set_form(const struct server *server);

/* Whether CONFIG SET fails where a certificate is out of date: Valkey 9.1 and later. */
bool server_checks_dates(const struct server *server);

/* The port of the cluster bus, where it speaks TLS and is known; else 0. */
uint16_t server_bus_port(const struct server *server);

bool server_is_replica(const struct server *server);

/*
 * The address of a `bind` list (redis.conf) that this host reaches: the loopback where it is
 * covered, else the first. "" stands for all addresses.
 */
void server_pick_host(const char *bind, char *buf, size_t size);

/* "redis 7.0.15 standalone master", as far as known; never empty. */
void server_describe(const struct server *server, char *buf, size_t size);

#endif
