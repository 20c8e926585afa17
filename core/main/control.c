/*
 * main/control - the server's side of the control socket
 */
#include "main/control.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "main/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CONTROL_MAGIC 0x68637472u /* "hctr" */
#define PAUSE_MS 1000

/* ---- clients ---- */

bool control_busy(const struct control *c)
{
	return c->n_waiting >= CONTROL_WAITING_MAX;
}

void control_waiting(struct control *c, int change)
{
	c->n_waiting += (size_t)change;
}

static void listen_on(struct control *c)
{
	bool full = c->n_clients >= CONTROL_CLIENTS_MAX || loop_timer_active(c->pause);

	loop_io_set(c->io, full ? 0 : LOOP_READ);
}

void control_forget(struct control *c, struct client *client)
{
	list_remove(&client->link);
	c->n_clients--;
	listen_on(c);
}

void control_updated(struct control *c)
{
	struct list *at, *follow;

	list_for_each_safe (at, follow, &c->clients) {
		struct client *client = container_of(at, struct client, link);

		if (client->wait && client->wait->updated)
			client->wait->updated(client->wait);
	}
}

static void add_client(struct control *c, int fd)
{
	struct client *client = client_create(c, fd);

	if (!client)
		return;
	list_init(&client->link);
	list_push(&c->clients, &client->link);
	c->n_clients++;
}

/* Out of descriptors or memory: the connection stays in the queue, so looking again at once would
 * spin. */
static void pause_listening(struct control *c, int err)
{
	log_warning("control socket: cannot accept a client: %s", strerror(err));
	loop_timer_set(c->pause, PAUSE_MS);
}

static void control_accept(void *data, uint32_t events)
{
	struct control *c = data;

	(void)events;
	assert(c->magic == CONTROL_MAGIC);
	while (c->n_clients < CONTROL_CLIENTS_MAX) {
		int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			add_client(c, fd);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			pause_listening(c, errno);
			break;
		}
	}
	listen_on(c);
}

static void control_resume(void *data)
{
	struct control *c = data;

	assert(c->magic == CONTROL_MAGIC);
	listen_on(c);
}

/* ---- the socket ---- */

static int remove_stale(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	return unlink(path) < 0 ? -errno : 0;
}

/* bind(2) makes the socket with its final mode: there is no moment in which it is open to others.
 */
static int bind_as(int fd, const struct sockaddr_un *addr, const char *directory)
{
	struct stat st;
	bool shared = stat(directory, &st) == 0 && (st.st_mode & S_ISGID);
	mode_t saved = umask(shared ? 0117 : 0177);
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;

	umask(saved);
	return r;
}

/* It gets its name when it listens: whoever finds it there can connect. */
static int control_listen(struct control *c, const char *directory)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int r;

	if (strlen(c->path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/.control", directory); /* shorter */
	r = remove_stale(c->path);
	if (r == 0)
		r = remove_stale(addr.sun_path);
	if (r < 0)
		return r;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	r = bind_as(c->fd, &addr, directory);
	if (r < 0)
		return r;
	return listen(c->fd, SOMAXCONN) < 0 || rename(addr.sun_path, c->path) < 0 ? -errno : 0;
}

int control_create(struct loop *loop, struct service *service, const char *directory,
		   struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return -ENOMEM;
	c->magic = CONTROL_MAGIC;
	c->loop = loop;
	c->service = service;
	c->fd = -1;
	list_init(&c->clients);
	c->path = str_format("%s/control.sock", directory);
	c->pause = loop_timer_add(loop, -1, control_resume, c);
	if (!c->path || !c->pause)
		goto fail;
	r = control_listen(c, directory);
	if (r < 0)
		goto fail;
	c->io = loop_io_add(loop, c->fd, LOOP_READ, control_accept, c);
	if (!c->io) {
		r = -ENOMEM;
		goto fail;
	}
	*ret = c;
	return 0;
fail:
	control_destroy(c);
	return r;
}

/* Best effort: what the socket's buffer does not take at once is lost. */
static void say_goodbye(struct client *client)
{
	static const char text[] = "{\"ok\":false,\"error\":\"hotcertd is stopping\"}\n";

	if (client->wait)
		(void)send(client->fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void control_destroy(struct control *c)
{
	struct list *at, *follow;

	if (!c)
		return;
	list_for_each_safe (at, follow, &c->clients) {
		struct client *client = container_of(at, struct client, link);

		say_goodbye(client);
		client_destroy(client);
	}
	loop_io_remove(c->io);
	loop_timer_remove(c->pause);
	if (c->fd >= 0)
		close(c->fd);
	if (c->io)
		unlink(c->path); /* ours: it was bound */
	free(c->path);
	free(c);
}
