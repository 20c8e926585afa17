/*
 * http-01 (RFC 8555 section 8.3): the key authorization under /.well-known/acme-challenge/, and
 * nothing else
 */
#include "common/mem.h"
#include "stepca/acme_conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATH "/.well-known/acme-challenge/"

/* The answer to "GET PATH/TOKEN HTTP/1.1", also where a proxy wrote the whole URL. */
static const struct acme_answer *answer_to(const struct acme_listener *listener,
					   const char *request)
{
	size_t line = strcspn(request, "\r\n");
	cleanup_free char *first = strndup(request, line);
	char *token = first ? strstr(first, PATH) : NULL;
	char *end = token ? strchr(token, ' ') : NULL;

	if (!end || strncmp(first, "GET ", 4) != 0)
		return NULL;
	*end = '\0';
	return acme_listener_find(listener, token + strlen(PATH));
}

char *acme_http_reply(const struct acme_listener *listener, const char *request)
{
	const struct acme_answer *answer = answer_to(listener, request);
	const char *body = answer ? answer->content : "no such challenge\n";
	char *reply;

	if (asprintf(&reply,
		     "HTTP/1.1 %s\r\n"
		     "Content-Type: %s\r\n"
		     "Content-Length: %zu\r\n"
		     "Cache-Control: no-store\r\n"
		     "Connection: close\r\n"
		     "\r\n"
		     "%s",
		     answer ? "200 OK" : "404 Not Found",
		     answer ? "application/octet-stream" : "text/plain", strlen(body), body) < 0)
		return NULL;
	return reply;
}

/* Takes in what came. True: go on reading. */
static bool take_request(struct acme_conn *conn)
{
	ssize_t n =
		recv(conn->fd, conn->request + conn->len, sizeof(conn->request) - conn->len - 1, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	conn->len += (size_t)n;
	conn->request[conn->len] = '\0';
	if (strstr(conn->request, "\r\n\r\n") || strstr(conn->request, "\n\n"))
		conn->reply = acme_http_reply(conn->listener, conn->request);
	return !conn->reply && conn->len < sizeof(conn->request) - 1;
}

static uint32_t http_advance(struct acme_conn *conn)
{
	size_t len;

	if (!conn->reply && take_request(conn))
		return HC_IO_READ;
	len = conn->reply ? strlen(conn->reply) : 0;
	while (conn->sent < len) {
		ssize_t n =
			send(conn->fd, conn->reply + conn->sent, len - conn->sent, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? HC_IO_WRITE : 0;
		conn->sent += (size_t)n;
	}
	return 0;
}

const struct acme_protocol acme_http_protocol = {.advance = http_advance};
