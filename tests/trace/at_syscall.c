/*
 * at_syscall - runs a program and kills it at one of its system calls, or lets it run out of disk
 *
 *	at_syscall [-e ERRNO] [-c FILE] N PROGRAM [ARG...]
 *
 * Counts the system calls of all its threads from SIGUSR1 on. At the entry of call number N it is
 *killed with SIGKILL, before the call has done anything. With -e only calls that take space on a
 *disk are counted, and from number N on each of them fails with ERRNO, until SIGUSR2. The count
 *goes into FILE at the end. SIGTERM is passed on. Exits as the program does, or with 128 and the
 *signal.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t program;
static volatile sig_atomic_t counting, mended;

static long limit;
static int error; /* 0: kill */
static const char *count_file;
static long count;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		counting = 1;
	else if (sig == SIGUSR2)
		mended = 1;
	else
		kill(program, sig);
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(125);
}

/* -- registers ------------------------------------------------------------------------------------
 */

#if defined(__x86_64__)
static void skip_call(pid_t tid)
{
	must(ptrace(PTRACE_POKEUSER, tid, 8UL * 15 /* orig_rax */, -1L) == 0, "skip");
}

static void set_result(pid_t tid, long value)
{
	must(ptrace(PTRACE_POKEUSER, tid, 8UL * 10 /* rax */, value) == 0, "result");
}
#elif defined(__aarch64__)
static void skip_call(pid_t tid)
{
	int nr = -1;
	struct iovec io = {&nr, sizeof(nr)};

	must(ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &io) == 0, "skip");
}

static void set_result(pid_t tid, long value)
{
	struct user_regs_struct regs;
	struct iovec io = {&regs, sizeof(regs)};

	must(ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io) == 0, "registers");
	regs.regs[0] = (unsigned long)value;
	must(ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &io) == 0, "result");
}
#else
#error "how are registers set here?"
#endif

/* ---- what takes space ---- */

/* Not the log, not a socket. */
static bool is_file(pid_t tid, unsigned long fd)
{
	char path[64], target[256];
	ssize_t len;

	if (fd <= 2)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%lu", (int)tid, fd);
	len = readlink(path, target, sizeof(target));
	return len > 0 && target[0] == '/' && strncmp(target, "/dev/", 5) != 0;
}

static bool takes_space(pid_t tid, const struct __ptrace_syscall_info *info)
{
	const __typeof__(info->entry.args[0]) *arg = info->entry.args;

	switch (info->entry.nr) {
	case SYS_openat:
		return (arg[2] & O_CREAT) != 0;
	case SYS_write:
	case SYS_pwrite64:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_fsetxattr:
		return is_file(tid, (unsigned long)arg[0]);
	case SYS_mkdirat:
	case SYS_symlinkat:
	case SYS_linkat:
	case SYS_renameat2:
#ifdef SYS_open
	case SYS_mkdir:
	case SYS_symlink:
	case SYS_link:
	case SYS_rename:
#endif
#ifdef SYS_renameat
	case SYS_renameat:
#endif
		return true;
	default:
		return false;
	}
}

/* -- the threads, which of them fails right now
 * ---------------------------------------------------------- */

static pid_t failing[64];

static bool take_failing(pid_t tid)
{
	for (size_t i = 0; i < sizeof(failing) / sizeof(failing[0]); i++)
		if (failing[i] == tid) {
			failing[i] = 0;
			return true;
		}
	return false;
}

static void mark_failing(pid_t tid)
{
	for (size_t i = 0; i < sizeof(failing) / sizeof(failing[0]); i++)
		if (failing[i] == 0) {
			failing[i] = tid;
			return;
		}
}

static void on_entry(pid_t tid, const struct __ptrace_syscall_info *info)
{
	if (!counting || (error && !takes_space(tid, info)))
		return;
	count++;
	if (count < limit || mended)
		return;
	if (!error) {
		kill(program, SIGKILL);
		return;
	}
	skip_call(tid);
	mark_failing(tid);
}

static void on_syscall(pid_t tid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) < 0)
		return; /* killed meanwhile */
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		on_entry(tid, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT && take_failing(tid))
		set_result(tid, -error);
}

/* -- the program
 * ------------------------------------------------------------------------------------------ */

static void start(char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
	int status;

	program = fork();
	must(program >= 0, "fork");
	if (program == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	must(waitpid(program, &status, __WALL) == program && WIFSTOPPED(status), "the start");
	must(ptrace(PTRACE_SETOPTIONS, program, 0, options) == 0, "PTRACE_SETOPTIONS");
	ptrace(PTRACE_SYSCALL, program, 0, 0);
}

/* Returns the signal to pass on. */
static int on_stop(pid_t tid, int status)
{
	int sig = WSTOPSIG(status);

	if (sig == (SIGTRAP | 0x80)) {
		on_syscall(tid);
		return 0;
	}
	/* New threads begin with SIGSTOP; events and execve(2) show as SIGTRAP. */
	return sig == SIGSTOP || sig == SIGTRAP ? 0 : sig;
}

/* Until the program ends: its wait status. */
static int follow(void)
{
	int status;

	for (;;) {
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid < 0 && errno == EINTR)
			continue;
		must(tid > 0, "waitpid");
		if (WIFSTOPPED(status))
			ptrace(PTRACE_SYSCALL, tid, 0, (long)on_stop(tid, status));
		else if (tid == program)
			return status;
	}
}

static void save_count(void)
{
	FILE *out = count_file ? fopen(count_file, "w") : NULL;

	if (!out)
		return;
	fprintf(out, "%ld\n", count);
	fclose(out);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	int status, c;

	while ((c = getopt(argc, argv, "+e:c:")) != -1) {
		if (c == 'e')
			error = atoi(optarg);
		else if (c == 'c')
			count_file = optarg;
		else
			return 2;
	}
	if (argc - optind < 2)
		return 2;
	limit = atol(argv[optind]);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	start(argv + optind + 1);
	status = follow();
	save_count();
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
