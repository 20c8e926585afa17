#include "platform/process.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_SIZE 16384 /* a longer line comes in pieces */

struct process {
	struct loop *loop;
	struct process_spec spec; /* argv and env are not used after the start */
	pid_t pid;
	int fd; /* its stdout and stderr */
	struct loop_io *io;
	struct loop_child *child;
	bool telling; /* inside on_line */
	bool killed;  /* by that on_line: whoever called it frees */
	size_t line_len;
	char line[LINE_SIZE];
};

/* Who the child becomes, looked up before fork(2): the child may call async-signal-safe code only.
 */
struct identity {
	bool change;
	uid_t uid;
	gid_t gid;
	gid_t groups[64];
	int n_groups;
};

static int identity_of_user(const char *name, struct identity *id)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (!pw)
		return errno ? -errno : -ENOENT;
	id->change = true;
	id->uid = pw->pw_uid;
	id->gid = pw->pw_gid;
	id->n_groups = (int)(sizeof(id->groups) / sizeof(id->groups[0]));
	if (getgrouplist(name, pw->pw_gid, id->groups, &id->n_groups) < 0)
		id->n_groups = (int)(sizeof(id->groups) / sizeof(id->groups[0]));
	return 0;
}

static int identity_of_group(const char *name, struct identity *id)
{
	struct group *gr;

	errno = 0;
	gr = getgrnam(name);
	if (!gr)
		return errno ? -errno : -ENOENT;
	if (!id->change) {
		id->uid = geteuid();
		id->groups[0] = gr->gr_gid;
		id->n_groups = 1;
	}
	id->change = true;
	id->gid = gr->gr_gid;
	return 0;
}

static int identity_find(const struct process_spec *spec, struct identity *id)
{
	int r = 0;

	*id = (struct identity){0};
	if (spec->user)
		r = identity_of_user(spec->user, id);
	if (!r && spec->group)
		r = identity_of_group(spec->group, id);
	return r;
}

static int identity_become(const struct identity *id)
{
	if (!id->change)
		return 0;
	if (setgroups((size_t)id->n_groups, id->groups) < 0 ||
	    setresgid(id->gid, id->gid, id->gid) < 0 || setresuid(id->uid, id->uid, id->uid) < 0)
		return -1;
	return 0;
}

static char **environment_make(const char *const *extra)
{
	size_t n_ours = 0, n_extra = 0;
	char **env;

	while (environ[n_ours])
		n_ours++;
	while (extra && extra[n_extra])
		n_extra++;
	env = calloc(n_ours + n_extra + 1, sizeof(char *));
	if (!env)
		return NULL;
	if (n_extra) /* first, so that getenv(3) finds them before ours */
		memcpy(env, extra, n_extra * sizeof(char *));
	memcpy(env + n_extra, environ, n_ours * sizeof(char *));
	return env;
}

/* In the child. What goes wrong is told to the parent through status_fd, which exec closes. */
static void __attribute__((noreturn)) child_run(const struct process_spec *spec, char **env,
						const struct identity *id, int out, int status_fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;
	int err;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
	    identity_become(id) < 0)
		goto fail;
	execvpe(spec->argv[0], (char *const *)(uintptr_t)spec->argv, env);
fail:
	err = errno;
	(void)!write(status_fd, &err, sizeof(err));
	_exit(127);
}

/* Waits until the child runs its program, which takes no longer than execve(2). */
static int child_started(pid_t pid, int status_fd)
{
	int err = 0;
	ssize_t n;

	do
		n = read(status_fd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(err))
		return 0;
	waitpid(pid, NULL, 0);
	return -err;
}

static int child_fork(const struct process_spec *spec, int out, pid_t *ret_pid)
{
	cleanup_free char **env = environment_make(spec->env);
	int status[2];
	struct identity id;
	pid_t pid;
	int r;

	if (!env)
		return -ENOMEM;
	r = identity_find(spec, &id);
	if (r < 0)
		return r;
	if (pipe2(status, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child_run(spec, env, &id, out, status[1]);
	r = pid < 0 ? -errno : 0;
	close(status[1]);
	if (!r)
		r = child_started(pid, status[0]);
	close(status[0]);
	if (!r)
		*ret_pid = pid;
	return r;
}

static void process_free(struct process *p)
{
	loop_child_remove(p->child);
	loop_io_remove(p->io);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static void line_end(struct process *p)
{
	p->line[p->line_len] = '\0';
	p->line_len = 0;
	if (!p->spec.on_line)
		return;
	p->telling = true;
	p->spec.on_line(p->spec.data, p->line);
	p->telling = false;
}

static void line_add(struct process *p, const char *data, size_t n)
{
	for (size_t i = 0; i < n && !p->killed; i++) {
		if (data[i] == '\n') {
			line_end(p);
			continue;
		}
		p->line[p->line_len++] = data[i] ? data[i] : ' ';
		if (p->line_len == LINE_SIZE - 1)
			line_end(p);
	}
}

/* Reads what is there; bounded, so that an endless writer leaves the loop its turn. */
static void output_read(struct process *p)
{
	char buf[4096];
	ssize_t n = 1;

	for (int i = 0; i < 16 && !p->killed; i++) {
		n = read(p->fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		line_add(p, buf, (size_t)n);
	}
	if (n == 0)
		loop_io_set(p->io, 0);
}

static void output_fire(void *data, uint32_t events)
{
	struct process *p = data;

	(void)events;
	output_read(p);
	if (p->killed)
		process_free(p);
}

static void child_exited(void *data, int status)
{
	struct process *p = data;
	struct process_spec spec = p->spec;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	bool killed;

	output_read(p);
	if (p->line_len && !p->killed)
		line_end(p);
	kill(-p->pid, SIGKILL); /* what it left behind in its group */
	killed = p->killed;
	process_free(p);
	if (!killed)
		spec.on_exit(spec.data, code);
}

int process_start(struct loop *loop, const struct process_spec *spec, struct process **ret)
{
	struct process *p = calloc(1, sizeof(*p));
	int out[2];
	int r;

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->spec = *spec;
	p->fd = -1;
	if (pipe2(out, O_CLOEXEC) < 0) {
		r = -errno;
		goto fail;
	}
	p->fd = out[0];
	r = fcntl(p->fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : child_fork(spec, out[1], &p->pid);
	close(out[1]);
	if (r < 0)
		goto fail;
	p->io = loop_io_add(loop, p->fd, LOOP_READ, output_fire, p);
	p->child = loop_child_add(loop, p->pid, child_exited, p);
	if (!p->io || !p->child) {
		process_kill(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
fail:
	process_free(p);
	return r;
}

/* Reaped by whoever comes next: libev collects every child of the process. */
void process_kill(struct process *p)
{
	if (!p)
		return;
	kill(-p->pid, SIGKILL);
	kill(p->pid, SIGKILL);
	if (p->telling)
		p->killed = true;
	else
		process_free(p);
}
