/*
 * main/client - one connection to the control socket: one request, one answer, closed
 */
#ifndef HC_MAIN_CLIENT_H
#define HC_MAIN_CLIENT_H

#include "base/list.h"
#include "base/str.h"
#include "main/answer.h"
#include "platform/loop.h"

#include <stddef.h>
#include <sys/socket.h>

struct control;
struct client;
struct service;

/* How long a client may be idle with half a request, or not take its answer. */
#define CLIENT_IDLE_MS 10000

/* A command that answers later; embedded in the command's own object. */
struct client_wait {
	/* Drops and frees it: the client is gone, or has been answered by client.c. */
	void (*cancel)(struct client_wait *wait);
	/* What it still waits for, for the error when its time is over. */
	void (*late)(struct client_wait *wait, char *why, size_t why_size);
	/* Something has changed (at most once a second); may answer. May be NULL. */
	void (*updated)(struct client_wait *wait);
};

struct client {
	unsigned magic;
	struct control *control;
	struct list link; /* control.clients */
	int fd;
	struct ucred peer;
	struct loop_io *io;
	struct loop_timer *timer;
	struct str in;
	struct str out;
	size_t sent;
	struct client_wait *wait; /* not NULL: its command answers later */
	int64_t timeout_ms;
};

/* Takes the descriptor over, on failure too. NULL: no memory. */
struct client *client_create(struct control *control, int fd);
/* Cancels what it waits for. */
void client_destroy(struct client *c);

struct service *client_service(const struct client *c);

/*
 * The end of a command, once: sends the answer and closes. A wait has been freed by its command.
 * The client may be gone when these return.
 */
void client_answer(struct client *c, struct answer *a); /* finishes a too */
void client_fail(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The command answers later, or is cancelled after timeout_ms (0: never). */
void client_wait(struct client *c, struct client_wait *wait, int64_t timeout_ms);

#endif
