#include "common/stream_addr.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const char *const why_scheme = "is not an address; write host:port, tcp:host:port for plain "
				      "TCP or unix:/path";
static const char *const why_path =
	"is not a socket's path; write unix:/path, absolute and shorter "
	"than 108 bytes";
static const char *const why_host = "has no valid host; write host:port";
static const char *const why_port = "has no valid port; write host:port with a port of 1 to 65535";
static const char *const why_literal =
	"is ambiguous; write an IPv6 address in brackets, [::1]:port";

static int fail(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

static int parse_unix(const char *path, struct stream_addr *ret, const char **ret_why)
{
	if (path[0] != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return fail(ret_why, why_path);
	*ret = (struct stream_addr){.kind = STREAM_UNIX};
	memcpy(ret->host, path, strlen(path) + 1);
	return 0;
}

static int parse_port(const char *text, uint16_t *ret)
{
	char *end;
	long port;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	port = strtol(text, &end, 10);
	if (*end != '\0' || port < 1 || port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* Letters, digits and what names and literals are made of; '%' starts a zone (RFC 4007 section 11).
 */
static int host_valid(const char *host, size_t len)
{
	if (len == 0 || len >= sizeof(((struct stream_addr *)0)->host))
		return 0;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)host[i]) && !strchr(".-_:%", host[i]))
			return 0;
	return 1;
}

/* Splits host and port: *ret_port points behind the colon, or is NULL where there is none. */
static const char *split(const char *text, const char **ret_host, size_t *ret_len,
			 const char **ret_port)
{
	const char *end = text + strlen(text), *colon;

	if (text[0] == '[') {
		const char *close = strchr(text, ']');

		if (!close || (close[1] != '\0' && close[1] != ':'))
			return why_literal;
		*ret_host = text + 1;
		*ret_len = (size_t)(close - text - 1);
		*ret_port = close[1] == ':' ? close + 2 : NULL;
		return NULL;
	}
	colon = strchr(text, ':');
	if (colon && strchr(colon + 1, ':'))
		return why_literal;
	*ret_host = text;
	*ret_len = (size_t)((colon ? colon : end) - text);
	*ret_port = colon ? colon + 1 : NULL;
	return NULL;
}

static int parse_inet(const char *text, enum stream_kind kind, uint16_t default_port,
		      struct stream_addr *ret, const char **ret_why)
{
	struct stream_addr addr = {.kind = kind, .port = default_port};
	const char *host, *port, *why;
	size_t len;

	why = split(text, &host, &len, &port);
	if (why)
		return fail(ret_why, why);
	if (!host_valid(host, len))
		return fail(ret_why, why_host);
	if ((port && parse_port(port, &addr.port) < 0) || addr.port == 0)
		return fail(ret_why, why_port);
	memcpy(addr.host, host, len);
	*ret = addr;
	return 0;
}

int stream_addr_parse(const char *text, uint16_t default_port, struct stream_addr *ret,
		      const char **ret_why)
{
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, ret, ret_why);
	if (text[0] == '/')
		return fail(ret_why, why_path);
	if (strstr(text, "//"))
		return fail(ret_why, why_scheme);
	if (strncmp(text, "tcp:", 4) == 0)
		return parse_inet(text + 4, STREAM_TCP, default_port, ret, ret_why);
	return parse_inet(text, STREAM_TLS, default_port, ret, ret_why);
}

void stream_addr_format(const struct stream_addr *addr, char *buf, size_t size)
{
	const char *plain = addr->kind == STREAM_TCP ? "tcp:" : "";

	if (addr->kind == STREAM_UNIX)
		snprintf(buf, size, "unix:%s", addr->host);
	else if (strchr(addr->host, ':'))
		snprintf(buf, size, "%s[%s]:%u", plain, addr->host, addr->port);
	else
		snprintf(buf, size, "%s%s:%u", plain, addr->host, addr->port);
}
