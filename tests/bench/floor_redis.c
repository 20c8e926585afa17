/*
 * floor_redis DIRECTORY SOCKET [PORT [SOCKET PORT]...] - one CONFIG SET on a connection that is
 * open already; says the time at +OK, or with PORT at the end of a fresh TLS handshake. Several
 * servers are done one after another.
 */
#include "floor.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	return fd;
}

static size_t format_command(char *buf, size_t size, const char *directory)
{
	char cert[PATH_MAX + NAME_MAX], key[PATH_MAX + NAME_MAX];

	snprintf(cert, sizeof(cert), "%s/" CERT, directory);
	snprintf(key, sizeof(key), "%s/" KEY, directory);
	return (size_t)snprintf(buf, size,
				"*6\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$13\r\ntls-cert-file\r\n"
				"$%zu\r\n%s\r\n$12\r\ntls-key-file\r\n$%zu\r\n%s\r\n",
				strlen(cert), cert, strlen(key), key);
}

/* A reply is one line here. */
static void expect_ok(int fd)
{
	char reply[512] = "";
	size_t n = 0;

	while (n < 2 || memcmp(reply + n - 2, "\r\n", 2) != 0) {
		ssize_t more = read(fd, reply + n, sizeof(reply) - 1 - n);

		if (more <= 0)
			die("redis");
		n += (size_t)more;
	}
	reply[n] = '\0';
	if (strcmp(reply, "+OK\r\n") != 0) {
		fputs(reply, stderr);
		exit(1);
	}
}

static int accept_any(X509_STORE_CTX *store, void *data)
{
	(void)store;
	(void)data;
	return 1;
}

static SSL_CTX *make_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context)
		die("SSL_CTX_new");
	SSL_CTX_set_cert_verify_callback(context, accept_any, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	return context;
}

/* A handshake that shows the certificate served now; the chain is not verified. */
static void shake_hands(SSL_CTX *context, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	SSL *ssl = SSL_new(context);

	if (!ssl || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1 || !SSL_get0_peer_certificate(ssl))
		die("TLS handshake");
	SSL_free(ssl);
	close(fd);
}

#define MAX_SERVERS 1000

int main(int argc, char **argv)
{
	char command[3 * PATH_MAX];
	SSL_CTX *context = make_context();
	int inotify, redis[MAX_SERVERS], n = (argc - 1) / 2;
	size_t len;

	if (argc < 3 || (argc > 3 && argc % 2 != 0) || n > MAX_SERVERS)
		return 2;
	inotify = watch_directory(argv[1]);
	for (int i = 0; i < n; i++)
		redis[i] = dial(argv[2 + 2 * i]);
	len = format_command(command, sizeof(command), argv[1]);
	say_ready();
	for (;;) {
		wait_change(inotify);
		for (int i = 0; i < n; i++) {
			if (write(redis[i], command, len) != (ssize_t)len)
				die("redis");
			expect_ok(redis[i]);
			if (argc > 3)
				shake_hands(context, atoi(argv[3 + 2 * i]));
		}
		say_now();
	}
}
