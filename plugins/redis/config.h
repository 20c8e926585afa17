/*
 * redis/config - an instance's options, and the trust that follows from them
 */
#ifndef HC_REDIS_CONFIG_H
#define HC_REDIS_CONFIG_H

#include "common/stream_addr.h"
#include "redis/path_map.h"

#include <hotcert/plugin.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define REDIS_PORT 6379

enum expired_policy {
	EXPIRED_PINNED,	  /* an expired server is accepted where its leaf is the one last seen */
	EXPIRED_NO,	  /* never */
	EXPIRED_INSECURE, /* no server is verified at all */
};

struct redis_config {
	const struct hc_host *host;
	hc_ctx *ctx;
	struct record_book *book;     /* what is remembered of the servers */
	const char *const *addresses; /* as configured */
	const char *username;	      /* NULL: the default user */
	const char *server_name;      /* NULL: the address' host */
	const char *ca_file;	      /* NULL: the watch's ca role, else the system's store */
	const char *client_cert, *client_key;	/* NULL: none */
	const char *config_command;		/* "CONFIG", or what it was renamed to */
	char **fallback;			/* argv, NULL-terminated; NULL: none */
	int64_t connect_timeout, reply_timeout; /* milliseconds */
	int64_t recheck;			/* milliseconds; 0: never */
	int64_t warn_at;			/* see HC_SHARE_OF() */
	struct path_map path_map;
	SSL_CTX *context; /* NULL before config_trust() */
	int context_anchors;
	uint32_t n_addresses;
	enum expired_policy expired;
	struct stream_addr verify_address;

	bool has_password;
	bool has_verify_address;
	bool has_key_password;
	bool has_recheck;
	bool set_paths;
	bool bus;
	bool kill_clients, rewrite;
	bool verifies;		    /* one address is TLS, and `expired` is not insecure */
	uint8_t context_sha256[32]; /* of the CA certificates in it */
	char acl_rules[80];	    /* what the user needs, as for ACL SETUSER */
};

/* Writes what has changed in the book, all of it or one page: whether there is more. */
bool config_save(const struct redis_config *config, bool all);

/*
 * Reads and checks the options: 0, or -EINVAL after every error was reported. addrs gets
 * n_addresses parsed addresses, for free().
 */
int config_read(const struct hc_host *host, hc_ctx *ctx, struct redis_config *ret,
		struct stream_addr **ret_addrs);
void config_finish(struct redis_config *config);

/*
 * Makes the context anew where the CA certificates have changed: ca_file, else ca (the watch's
 * file, may be NULL), else the system's. Returns 0, or -EINVAL or -ENOMEM and one line in why.
 */
int config_trust(struct redis_config *config, const struct hc_file *ca, char *why, size_t why_size);

#endif
