#include "redis/config.h"

#include "common/mem.h"
#include "common/tls.h"
#include "common/words.h"
#include "redis/record.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>

#define CA_FILE_MAX (8 * 1024 * 1024)

/* ---- options ---- */

static int read_addresses(struct redis_config *c, struct stream_addr **ret_addrs)
{
	struct stream_addr *addrs;
	const char *why;
	int r = 0;

	c->n_addresses = c->host->opt_list(c->ctx, "address", &c->addresses);
	addrs = calloc(c->n_addresses ? c->n_addresses : 1, sizeof(*addrs));
	if (!addrs)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->n_addresses; i++) {
		if (stream_addr_parse(c->addresses[i], REDIS_PORT, &addrs[i], &why) == 0) {
			c->verifies |=
				addrs[i].kind == STREAM_TLS && c->expired != EXPIRED_INSECURE;
			continue;
		}
		c->host->opt_error(c->ctx, "address", "\"%s\" %s", c->addresses[i], why);
		r = -EINVAL;
	}
	*ret_addrs = addrs;
	return r;
}

static int read_verify_address(struct redis_config *c)
{
	const char *text = c->host->opt_string(c->ctx, "verify_address"), *why;

	if (!text)
		return 0;
	if (stream_addr_parse(text, 0, &c->verify_address, &why) < 0 ||
	    c->verify_address.kind != STREAM_TLS) {
		c->host->opt_error(c->ctx, "verify_address",
				   "\"%s\" is not an address; write "
				   "host:port",
				   text);
		return -EINVAL;
	}
	if (c->n_addresses > 1) {
		c->host->opt_error(c->ctx, "verify_address", "needs a section with one address");
		return -EINVAL;
	}
	c->has_verify_address = true;
	return 0;
}

static int read_path_map(struct redis_config *c)
{
	const char *const *entries;
	uint32_t n = c->host->opt_list(c->ctx, "path_map", &entries);
	const char *why;
	int r = 0;

	for (uint32_t i = 0; i < n && r != -ENOMEM; i++) {
		int e = path_map_add(&c->path_map, entries[i], &why);

		if (e == -EINVAL)
			c->host->opt_error(c->ctx, "path_map", "\"%s\" %s", entries[i], why);
		r = e < 0 ? e : r;
	}
	return r;
}

/* Without a place where it can be seen, the command would run again and again. */
static int check_fallback(const struct redis_config *c, const struct stream_addr *addrs)
{
	for (uint32_t i = 0; i < c->n_addresses; i++) {
		if (addrs[i].kind == STREAM_TLS || c->has_verify_address)
			continue;
		c->host->opt_error(c->ctx, "fallback_command",
				   "needs to see what \"%s\" serves: set verify_address",
				   c->addresses[i]);
		return -EINVAL;
	}
	return 0;
}

static int read_fallback(struct redis_config *c, const struct stream_addr *addrs)
{
	const char *line = c->host->opt_string(c->ctx, "fallback_command"), *why;
	int r;

	if (!line)
		return 0;
	r = words_split(line, &c->fallback, &why);
	if (r == -EINVAL)
		c->host->opt_error(c->ctx, "fallback_command", "%s", why);
	return r < 0 ? r : check_fallback(c, addrs);
}

static enum expired_policy parse_expired(const char *word)
{
	if (strcmp(word, "no") == 0)
		return EXPIRED_NO;
	return strcmp(word, "insecure") == 0 ? EXPIRED_INSECURE : EXPIRED_PINNED;
}

/* What one key says of another. */
static int check_pairs(const struct redis_config *c)
{
	int r = 0;

	if (c->username && !c->has_password) {
		c->host->opt_error(c->ctx, "username", "needs password_file");
		r = -EINVAL;
	}
	if (!c->client_cert != !c->client_key) {
		c->host->opt_error(c->ctx, c->client_cert ? "client_cert" : "client_key",
				   "needs %s", c->client_cert ? "client_key" : "client_cert");
		r = -EINVAL;
	}
	if (c->connect_timeout <= 0 || c->reply_timeout <= 0) {
		c->host->opt_error(c->ctx,
				   c->connect_timeout <= 0 ? "connect_timeout" : "reply_timeout",
				   "must be more than 0");
		r = -EINVAL;
	}
	return r;
}

int config_read(const struct hc_host *host, hc_ctx *ctx, struct redis_config *ret,
		struct stream_addr **ret_addrs)
{
	struct redis_config c = {
		.host = host,
		.ctx = ctx,
		.username = host->opt_string(ctx, "username"),
		.has_password = host->opt_is_set(ctx, "password_file"),
		.server_name = host->opt_string(ctx, "server_name"),
		.ca_file = host->opt_string(ctx, "ca_file"),
		.client_cert = host->opt_string(ctx, "client_cert"),
		.client_key = host->opt_string(ctx, "client_key"),
		.expired = parse_expired(host->opt_string(ctx, "expired")),
		.connect_timeout = host->opt_int(ctx, "connect_timeout"),
		.reply_timeout = host->opt_int(ctx, "reply_timeout"),
		.config_command = host->opt_string(ctx, "config_command"),
		.set_paths = host->opt_int(ctx, "set_paths"),
		.has_key_password = host->opt_is_set(ctx, "key_password_file"),
		.bus = host->opt_int(ctx, "bus"),
		.kill_clients = host->opt_int(ctx, "kill_clients"),
		.rewrite = host->opt_int(ctx, "rewrite"),
		.has_recheck = host->opt_is_set(ctx, "recheck"),
		.recheck = host->opt_int(ctx, "recheck"),
		.warn_at = host->opt_int(ctx, "warn_at"),
		.context_anchors = -1,
	};
	struct stream_addr *addrs = NULL;
	int r = read_addresses(&c, &addrs);

	snprintf(c.acl_rules, sizeof(c.acl_rules), "+config|get +config|set%s%s",
		 c.rewrite ? " +config|rewrite" : "", c.kill_clients ? " +client|kill" : "");
	if (read_verify_address(&c) < 0 || check_pairs(&c) < 0)
		r = r < 0 ? r : -EINVAL;
	if (read_path_map(&c) < 0 || (r == 0 && read_fallback(&c, addrs) < 0))
		r = r < 0 ? r : -EINVAL;
	c.book = record_book_load(host, ctx);
	if (!c.book)
		r = -ENOMEM;
	if (r < 0) {
		config_finish(&c);
		free(addrs);
		return r;
	}
	*ret = c;
	*ret_addrs = addrs;
	return 0;
}

void config_finish(struct redis_config *c)
{
	SSL_CTX_free(c->context);
	c->context = NULL;
	path_map_finish(&c->path_map);
	free(steal(&c->fallback));
	record_book_destroy(steal(&c->book));
}

bool config_save(const struct redis_config *c, bool all)
{
	int r;

	do
		r = record_flush(c->book);
	while (all && r > 0);
	if (r < 0)
		c->host->log(c->ctx, HC_LOG_WARNING, "the state cannot be saved: %s", strerror(-r));
	return r > 0;
}

/* ---- trust ---- */

static int read_ca_file(const char *path, char **ret_data, size_t *ret_len)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	cleanup_free char *data = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > CA_FILE_MAX)
		return S_ISREG(st.st_mode) ? -EFBIG : -EINVAL;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	while (len < (size_t)st.st_size && (n = read(fd, data + len, (size_t)st.st_size - len)) > 0)
		len += (size_t)n;
	*ret_data = steal(&data);
	*ret_len = len;
	return 0;
}

/* Makes the context where it is not the one at hand. name is for messages. */
static int use_anchors(struct redis_config *c, enum tls_anchors anchors, const void *pem,
		       size_t len, const char *name, char *why, size_t why_size)
{
	uint8_t digest[32] = {0};
	SSL_CTX *context;
	char text[128];
	int r;

	if (anchors == TLS_ANCHORS_PEM)
		EVP_Digest(pem, len, digest, NULL, EVP_sha256(), NULL);
	if (c->context && c->context_anchors == (int)anchors &&
	    memcmp(digest, c->context_sha256, 32) == 0)
		return 0;
	snprintf(text, sizeof(text), "out of memory");
	r = tls_context_create(anchors, pem, len, &context, text, sizeof(text));
	if (r < 0) {
		snprintf(why, why_size, "%s: %s", name, text);
		return r;
	}
	SSL_CTX_free(c->context);
	c->context = context;
	c->context_anchors = (int)anchors;
	memcpy(c->context_sha256, digest, 32);
	return 0;
}

int config_trust(struct redis_config *c, const struct hc_file *ca, char *why, size_t why_size)
{
	cleanup_free char *data = NULL;
	size_t len = 0;
	int r;

	if (!c->verifies)
		return use_anchors(c, TLS_ANCHORS_NONE, NULL, 0, "no store", why, why_size);
	if (!c->ca_file && ca && ca->data)
		return use_anchors(c, TLS_ANCHORS_PEM, ca->data, ca->data_len, ca->path, why,
				   why_size);
	if (!c->ca_file)
		return use_anchors(c, TLS_ANCHORS_SYSTEM, NULL, 0, "system store", why, why_size);
	r = read_ca_file(c->ca_file, &data, &len);
	if (r < 0) {
		snprintf(why, why_size, "ca_file %s: %s", c->ca_file, strerror(-r));
		return r;
	}
	return use_anchors(c, TLS_ANCHORS_PEM, data, len, c->ca_file, why, why_size);
}
