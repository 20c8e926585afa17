/*
 * common/stream_addr - where a stream leads: "unix:/path", "tcp:host:port" (plain), "host:port"
 * (TLS)
 */
#ifndef HC_COMMON_STREAM_ADDR_H
#define HC_COMMON_STREAM_ADDR_H

#include <stddef.h>
#include <stdint.h>

enum stream_kind {
	STREAM_UNIX,
	STREAM_TCP, /* plain: has to be spelled out */
	STREAM_TLS,
};

struct stream_addr {
	enum stream_kind kind;
	uint16_t port;	/* host order; 0 for a unix socket */
	char host[256]; /* name or IP literal without brackets; the path of a unix socket */
};

/*
 * Reads an address. A missing port is default_port; an IPv6 literal stands in brackets (RFC 3986
 * section 3.2.2). Returns 0, or -EINVAL with *ret_why set to a constant text that says what to
 * write.
 */
int stream_addr_parse(const char *text, uint16_t default_port, struct stream_addr *ret,
		      const char **ret_why);

/* Writes the address as stream_addr_parse() reads it, the port always given. */
void stream_addr_format(const struct stream_addr *addr, char *buf, size_t size);

#endif
