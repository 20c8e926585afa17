/*
 * platform/process - a program in a process group of its own, its output line by line
 */
#ifndef HC_PLATFORM_PROCESS_H
#define HC_PLATFORM_PROCESS_H

#include "platform/loop.h"

struct process;

struct process_spec {
	const char *const *argv; /* NULL-terminated; argv[0] is searched in PATH */
	const char *const *env;	 /* NAME=VALUE added to ours; NULL: none */
	const char *user;	 /* NULL: ours */
	const char *group;	 /* NULL: the user's */
	void (*on_line)(void *data, const char *line);
	/* Once, after the last line: exit code, or minus the signal. The process is gone then. */
	void (*on_exit)(void *data, int code);
	void *data;
};

/* Negative errno: -ENOENT (program, user or group), -EACCES, -EPERM, -EAGAIN, -ENOMEM... */
int process_start(struct loop *loop, const struct process_spec *spec, struct process **ret);

/* Kills it and its group with SIGKILL; no callback comes any more. Takes NULL, and may be called
 * inside on_line. */
void process_kill(struct process *p);

#endif
