#include "trust/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void on_line(void *data, const char *line)
{
	struct program *p = data;

	tail_add(&p->tail, line);
	if (p->on_line)
		p->on_line(p->data, line);
	else
		p->env->host->log(p->env->ctx, HC_LOG_DEBUG, "%s: %s", p->name, line);
}

static void on_exit_code(void *data, int32_t code)
{
	struct program *p = data;
	const char *last = tail_last(&p->tail);
	char why[STORE_WHY];

	p->child = NULL;
	snprintf(why, sizeof(why), "%s %s %d%s%s", p->name,
		 code < 0 ? "was killed by signal" : "exited with", code < 0 ? -code : code,
		 *last ? ": " : "", last);
	p->on_end(p->data, code == 0 ? HC_OK : HC_RETRY, code == 0 ? "" : why);
}

void program_run(struct program *p, const char *name, const char *const *argv,
		 const char *const *env, int lock)
{
	struct hc_spawn spawn = {
		.size = sizeof(spawn),
		.argv = argv,
		.env = env,
		.on_line = on_line,
		.on_exit = on_exit_code,
		.data = p,
	};
	char why[STORE_WHY];
	int32_t r;

	p->name = name;
	p->tail.n = 0;
	if (lock >= 0)
		fcntl(lock, F_SETFD, 0);
	r = p->env->host->spawn(p->env->ctx, &spawn, &p->child);
	if (lock >= 0)
		fcntl(lock, F_SETFD, FD_CLOEXEC);
	if (r == 0)
		return;
	snprintf(why, sizeof(why), "cannot run %s: %s", name, strerror(-r));
	p->on_end(p->data, store_status(r), why);
}

void program_stop(struct program *p)
{
	p->env->host->child_kill(p->child);
	p->child = NULL;
}
