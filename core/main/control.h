/*
 * main/control - the server's side of the control socket
 *
 * One request a connection: a line of JSON in, a line of JSON out, then the server closes.
 *
 *   {"cmd":"status","args":["redis"]}     {"ok":true,…}     {"ok":false,"error":"…"}
 *
 * A client keeps its own side open until it has the answer: one that shuts it down while its
 * command waits counts as gone.
 */
#ifndef HC_MAIN_CONTROL_H
#define HC_MAIN_CONTROL_H

#include "base/list.h"
#include "platform/loop.h"

#include <stdbool.h>
#include <stddef.h>

/* So many are served at once; others wait in the kernel's queue. */
#define CONTROL_CLIENTS_MAX 64
/* So many of them may wait for something, so that `status` always gets through. */
#define CONTROL_WAITING_MAX 48

struct client;
struct service;

/* Read by client.c and command.c, written by control.c alone. */
struct control {
	unsigned magic;
	struct loop *loop;
	struct service *service;
	char *path;
	int fd;
	struct loop_io *io;
	struct loop_timer *pause; /* until accept(2) is tried again where descriptors ran out */
	struct list clients;
	size_t n_clients;
	size_t n_waiting;
};

/*
 * Listens on directory/control.sock, mode 0600; where the directory has the set-group-ID bit, the
 * socket is its group's too (0660). What is left of a daemon that died is removed: the caller holds
 * the directory's lock. 0, or a negative errno: -ENAMETOOLONG (more than 107 bytes), -EEXIST (in
 * the way is something that is no socket).
 */
int control_create(struct loop *loop, struct service *service, const char *directory,
		   struct control **ret);
/* Answers who waits, and removes the socket. Takes NULL. */
void control_destroy(struct control *c);

/* Something has changed; called at most once a second. */
void control_updated(struct control *c);

bool control_busy(const struct control *c);
void control_waiting(struct control *c, int change);
void control_forget(struct control *c, struct client *client);

#endif
