/*
 * main/command - what can be asked for through the control socket
 */
#ifndef HC_MAIN_COMMAND_H
#define HC_MAIN_COMMAND_H

#include "main/client.h"
#include "main/request.h"

/* Answers at once or makes the client wait; the client may be gone when it returns. */
void command_run(struct client *client, const struct request *request);

/* The engine that the client asks about. */
struct engine *command_engine(const struct client *client);

/* command_act.c: what a plugin's instances are told to do. */
void command_renew(struct client *client, const struct request *request);
void command_do(struct client *client, const struct request *request);

/* command_wait.c: answered when something has come true. */
void command_sync(struct client *client, const struct request *request);
void command_wait_expiry(struct client *client, const struct request *request);

#endif
