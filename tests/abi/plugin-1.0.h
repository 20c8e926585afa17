/*
 * hotcert/plugin.h - the interface between hotcertd and its plugins, ABI 1.0
 *
 * A plugin is a shared object that exports one constant data symbol, hc_plugin_v1, made by
 * HC_PLUGIN_DEFINE(). The host reads it before any code of the plugin runs, copies the part that
 * both sides know, and never writes to it.
 *
 * Rules that hold everywhere:
 *  - Everything runs on the thread of the host's loop. Only post_send() may be called elsewhere.
 *  - No call may block: no connect, no read of a pipe, no name look-up, no pause.
 *  - Pointers in arguments belong to the caller and die when the call returns, unless its comment
 *    says otherwise. What one side allocated is never freed by the other.
 *  - Functions that return int32_t give 0 (or a length) when done, a negative errno when not.
 *    ret_* parameters are untouched on failure.
 *  - Durations are milliseconds, wall-clock times are milliseconds since 1970 (UTC).
 *  - Strings are UTF-8, NUL-terminated, and never NULL unless the comment says so.
 *
 * Compatibility: within ABI major 1, members are only ever appended to a struct. A struct that
 * crosses the border carries its size, an array of structs its stride. A plugin that uses a host
 * function added after 1.0 asks HC_HAS() first.
 */
#ifndef HOTCERT_PLUGIN_H
#define HOTCERT_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HC_ABI_MAJOR 1
#define HC_ABI_MINOR 0

#if defined(__GNUC__)
#define HC_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define HC_EXPORT __attribute__((visibility("default")))
#else
#define HC_PRINTF(fmt, first)
#define HC_EXPORT
#endif

/* One configured instance, as the host sees it. Valid from create() until destroy() returns. */
typedef struct hc_ctx hc_ctx;

/* A file descriptor watcher, a monotonic timer, a wall-clock alarm, a child process. */
typedef struct hc_io hc_io;
typedef struct hc_timer hc_timer;
typedef struct hc_alarm hc_alarm;
typedef struct hc_child hc_child;

/* The promise of one call from another thread: see post_open(). */
typedef struct hc_post hc_post;

/* The name of a job. Plain value, never reused, so one that is late or stale harms nobody. */
typedef uint64_t hc_job;

/* How a job ended: the status of job_done(). */
enum {
	HC_OK = 0,	/* the target has been brought in line with the snapshot */
	HC_SAME = 1,	/* it agreed already, nothing was done: as HC_OK, but not worth a notice */
	HC_RETRY = 10,	/* it does not yet; the host tries again with backoff */
	HC_FAILED = 20, /* trying again would not help; waits for a change or a person */
};

/* Log levels, numbered as in syslog(3). */
enum {
	HC_LOG_ERROR = 3,
	HC_LOG_WARNING = 4,
	HC_LOG_NOTICE = 5,
	HC_LOG_INFO = 6,
	HC_LOG_DEBUG = 7,
};

/* Events of io_add() and io_set(), or-ed. */
enum {
	HC_IO_READ = 1,
	HC_IO_WRITE = 2,
};

/* ---- Options: what may stand in the plugin's section of the configuration ---------------- */

/* The type of an option; the host parses and checks values before create() is called. */
enum {
	HC_OPT_STRING = 10,   /* opt_string() */
	HC_OPT_BOOL = 20,     /* opt_int(): 0 or 1; yes/no, true/false, on/off, 1/0 */
	HC_OPT_INTEGER = 30,  /* opt_int() */
	HC_OPT_DURATION = 40, /* opt_int(): milliseconds; "90", "500ms", "15s", "5m", "8h", "30d" */
	HC_OPT_PERCENT = 50,  /* opt_int(): hundredths of a percent; "66%", "66.5%" */
	HC_OPT_SHARE = 60,    /* opt_int(): "66%" as -6600, "8h" as 28800000; see HC_SHARE_OF() */
	HC_OPT_PATH = 70,     /* opt_string(): an absolute path; it need not exist */
	HC_OPT_SECRET = 80,   /* secret_read(); opt_string() is the path. Must be readable */
	HC_OPT_LIST = 90,     /* opt_list(): comma-separated or on continuation lines */
	HC_OPT_CHOICE = 100,  /* opt_string(): one of the words in hc_option.choices */
};

/* hc_option.flags, or-ed. */
enum {
	HC_OPT_REQUIRED = 1, /* a section without it is refused */
};

/*
 * How long before its end an HC_OPT_SHARE value points, for a lifetime in milliseconds: "66%" is
 * when 34% of it are left, "8h" is eight hours before the end.
 */
#define HC_SHARE_OF(share, lifetime)                                                               \
	((share) < 0 ? (int64_t)(lifetime) + (int64_t)(lifetime) * (share) / 10000 : (share))

struct hc_option {
	const char *name;    /* lower case, digits, '_' */
	int32_t type;	     /* HC_OPT_* */
	uint32_t flags;	     /* HC_OPT_REQUIRED */
	const char *def;     /* default, written as in a file; NULL: none */
	const char *choices; /* HC_OPT_CHOICE: words separated by a space; else NULL */
	const char *help;    /* one line for `hotcertd --options` and the manual */
};

/* Something a person can ask for: `hotcertctl do PLUGIN:NAME ACTION [ARG...]`. */
struct hc_action {
	const char *name;
	const char *args; /* what follows, for the usage line; NULL: nothing */
	const char *help; /* one line */
};

/* ---- Snapshots: what the host last read in a watched directory ---------------------------- */

/* The state of a snapshot or of a file in it; a snapshot's is that of its worst file. */
enum {
	HC_STATE_WHOLE = 0,    /* all is there, parses, and belongs together */
	HC_STATE_MISSING = 10, /* not there */
	HC_STATE_BROKEN = 20,  /* unreadable, torn, or key and certificate differ; see .error */
	HC_STATE_EXPIRED = 30, /* whole, but the leaf is expired or not yet valid */
};

/* One certificate (RFC 5280). */
struct hc_cert {
	const char *subject;	 /* RFC 2253 form; may be empty */
	const char *issuer;	 /* RFC 2253 form */
	const char *serial;	 /* lower-case hex, no prefix */
	const char *const *sans; /* "dns:…", "ip:…", "email:…", "uri:…" */
	uint32_t n_sans;
	uint32_t is_ca;	      /* 1: basicConstraints say CA (section 4.2.1.9) */
	uint32_t self_signed; /* 1: issuer is subject and its own key verifies it */
	uint32_t key_bits;    /* security-relevant size of the public key */
	int64_t not_before;   /* milliseconds since 1970 */
	int64_t not_after;
	uint8_t sha256[32];	 /* of the DER encoding: the fingerprint */
	uint8_t spki_sha256[32]; /* of the SubjectPublicKeyInfo */
};

struct hc_file {
	const char *role;  /* "cert", "key", "ca"; "" where the watch has `match` */
	const char *path;  /* absolute, as configured */
	const char *error; /* why it is not whole, one line; "" where it is */
	int32_t state;	   /* HC_STATE_* */
	uint32_t mode;	   /* permission bits, as in stat(2) */
	uint32_t uid;
	uint32_t gid;
	/* The bytes, without a key that stands among them; NULL for a key, and where no certificate
	 * was found. */
	const uint8_t *data;
	uint64_t data_len;	     /* 0 where data is NULL */
	uint8_t sha256[32];	     /* of all bytes of the file, a key's too */
	const struct hc_cert *certs; /* in order of the file: the leaf first; see hc_file_cert() */
	uint32_t n_certs;
	uint32_t cert_size; /* stride of certs */
};

/*
 * Whole, consistent, immutable. As an argument of apply() it lives until the job has ended: until
 * job_done() was called for it or cancel() has returned.
 */
struct hc_snapshot {
	uint32_t size;
	int32_t state;		     /* HC_STATE_* */
	uint64_t generation;	     /* grows with each change that the host saw in this watch */
	const char *watch;	     /* name of the [watch] section */
	const char *directory;	     /* absolute, as configured */
	const char *error;	     /* one line where state is not WHOLE, else "" */
	const struct hc_file *files; /* see hc_snapshot_file() */
	uint32_t n_files;
	uint32_t file_size; /* stride of files */
};

/* The i-th file of a snapshot; i < s->n_files. */
static inline const struct hc_file *hc_snapshot_file(const struct hc_snapshot *s, uint32_t i)
{
	return (const struct hc_file *)(const void *)((const char *)(const void *)s->files +
						      (size_t)i * s->file_size);
}

/* The i-th certificate of a file; i < f->n_certs. */
static inline const struct hc_cert *hc_file_cert(const struct hc_file *f, uint32_t i)
{
	return (const struct hc_cert *)(const void *)((const char *)(const void *)f->certs +
						      (size_t)i * f->cert_size);
}

/* ---- The host ------------------------------------------------------------------------------ */

/* A file to put in place: see hc_host.replace. Zero it, set size, fill in the rest. */
struct hc_replace {
	uint32_t size;	  /* sizeof(struct hc_replace) */
	uint32_t flags;	  /* HC_REPLACE_* */
	const char *path; /* absolute */
	const void *data;
	uint64_t len;
	uint32_t mode; /* permission bits */
	uint32_t uid;  /* (uint32_t)-1: leave to the system */
	uint32_t gid;
	const char *like; /* whose owner, mode and label to keep, where it is there; NULL: path's */
};

enum {
	HC_REPLACE_KEEP = 1,	   /* owner, mode and ACL of the file that is there win */
	HC_REPLACE_KEEP_MODE = 2,  /* its mode and ACL do */
	HC_REPLACE_KEEP_OWNER = 4, /* its user and group do where -1 is given */
};

/* A program to run: see hc_host.spawn. Zero it, set size, fill in the rest. */
struct hc_spawn {
	uint32_t size;		 /* sizeof(struct hc_spawn) */
	uint32_t flags;		 /* 0 */
	const char *const *argv; /* NULL-terminated; argv[0] is searched in PATH, no shell */
	const char *const *env; /* NULL-terminated NAME=VALUE, added to the daemon's; may be NULL */
	const char *user;	/* NULL: the daemon's */
	const char *group;	/* NULL: the user's, or the daemon's */
	/* Called for each line of stdout and stderr, without its newline; may be NULL. */
	void (*on_line)(void *data, const char *line);
	/* Called once, when the program has ended: code is its exit code, or minus the signal. */
	void (*on_exit)(void *data, int32_t code);
	void *data;
};

typedef void (*hc_io_fn)(void *data, uint32_t events);
typedef void (*hc_timer_fn)(void *data);
typedef void (*hc_post_fn)(void *data, uint32_t alive);

/* True where the host at hand has this member: HC_HAS(host, request). */
#define HC_HAS(host, member)                                                                       \
	((host)->size >= offsetof(struct hc_host, member) + sizeof((host)->member))

/*
 * What the host does for a plugin. Constant and valid for the life of the process. Watchers,
 * timers, alarms and children that an instance leaves behind are removed after destroy().
 */
struct hc_host {
	uint32_t size;
	uint32_t abi_minor;
	const char *version; /* of hotcert: "1.0.0" */

	/* Logs one line; the host adds the instance's name. Never log a secret. */
	void (*log)(hc_ctx *ctx, int32_t level, const char *format, ...) HC_PRINTF(3, 4);

	/* The instance's name, as in "redis:cache". Lives as long as ctx. */
	const char *(*name)(hc_ctx *ctx);

	/* -- options; all answers live as long as ctx. An undeclared key is a bug and aborts. -- */

	/* The value or default of a string, path, secret or choice; NULL where neither is there. */
	const char *(*opt_string)(hc_ctx *ctx, const char *key);
	/* The value or default of the numeric types; 0 where neither is there: ask opt_is_set. */
	int64_t (*opt_int)(hc_ctx *ctx, const char *key);
	/* A list's words, NULL-terminated, into *ret; returns their number. */
	uint32_t (*opt_list)(hc_ctx *ctx, const char *key, const char *const **ret);
	/* 1 where the configuration (not the default) gives the key. */
	int32_t (*opt_is_set)(hc_ctx *ctx, const char *key);
	/*
	 * Reports what is wrong with a key's value, for create(): the host adds file, line, section
	 * and key. create() then returns -EINVAL once it has reported all of them.
	 */
	void (*opt_error)(hc_ctx *ctx, const char *key, const char *format, ...) HC_PRINTF(3, 4);
	/*
	 * Reads the secret file anew, white space at its end removed, a NUL byte added. Returns the
	 * length, -ENOENT where the key is not set, -E2BIG where size is too small, or what
	 * open(2) says. The caller wipes buf.
	 */
	int64_t (*secret_read)(hc_ctx *ctx, const char *key, char *buf, size_t size);

	/* -- time -- */

	int64_t (*now_wall)(void); /* milliseconds since 1970 */
	int64_t (*now_mono)(void); /* milliseconds of CLOCK_MONOTONIC */

	/* -- watchers; *_remove takes NULL and may be called from inside the callback -- */

	/* Calls fn while fd is ready for events (level-triggered). The fd stays the caller's, and
	 * must be removed here before it is closed. NULL: out of memory. */
	hc_io *(*io_add)(hc_ctx *ctx, int fd, uint32_t events, hc_io_fn fn, void *data);
	void (*io_set)(hc_io *io, uint32_t events);
	void (*io_remove)(hc_io *io);

	/* Calls fn once, after_ms from now on the monotonic clock; timer_set winds it up again. */
	hc_timer *(*timer_add)(hc_ctx *ctx, int64_t after_ms, hc_timer_fn fn, void *data);
	void (*timer_set)(hc_timer *timer, int64_t after_ms);
	void (*timer_remove)(hc_timer *timer);

	/* Calls fn once when the wall clock reaches at_ms; suspend and clock jumps are heeded. */
	hc_alarm *(*alarm_add)(hc_ctx *ctx, int64_t at_ms, hc_timer_fn fn, void *data);
	void (*alarm_set)(hc_alarm *alarm, int64_t at_ms);
	void (*alarm_remove)(hc_alarm *alarm);

	/* -- other processes and threads -- */

	/* Starts a program in a process group of its own, stdin from /dev/null. Negative errno
	 * where it cannot be started: -ENOENT names the program or the user. */
	int32_t (*spawn)(hc_ctx *ctx, const struct hc_spawn *spawn, hc_child **ret_child);
	/* Kills the program and its process group. No callback comes after it. Takes NULL. */
	void (*child_kill)(hc_child *child);

	/* Prepares a call of fn(data) on the loop. NULL: out of memory. */
	hc_post *(*post_open)(hc_ctx *ctx, hc_post_fn fn, void *data);
	/* From any thread, exactly once: fn runs on the loop soon. Its `alive` is 0 where the
	 * instance was destroyed in between: then it may only free data. */
	void (*post_send)(hc_post *post);

	/* -- files and state -- */

	/* Replaces a file as a whole: temporary file in the same directory, owner and mode before
	 * the content, fsync, rename(2), fsync of the directory. On failure nothing has changed. */
	int32_t (*replace)(hc_ctx *ctx, const struct hc_replace *replace);
	/* Small values that survive a restart, by instance and key. state_get returns the length
	 * (which may be larger than size: nothing was copied then) or -ENOENT. */
	int64_t (*state_get)(hc_ctx *ctx, const char *key, void *buf, size_t size);
	/* len 0 removes the key. Written atomically before it returns; 4 KiB a value at the most.
	 */
	int32_t (*state_set)(hc_ctx *ctx, const char *key, const void *data, size_t len);

	/* -- jobs -- */

	/* Ends a job, once. The text tells a person what happened, in one line (an action's may
	 * have more). May be called inside apply(); has no effect on a job that has ended. */
	void (*job_done)(hc_job job, int32_t status, const char *format, ...) HC_PRINTF(3, 4);
	/* Before job_done(HC_RETRY): bounds of the host's next delay. -1 leaves one as it is. */
	void (*job_delay)(hc_job job, int64_t min_ms, int64_t max_ms);
	/* Asks for apply() with the current snapshot, soon, as after a change on disk. */
	void (*request)(hc_ctx *ctx);

	/* -- status -- */

	/* Inside status(): one more line for `hotcertctl status`. */
	void (*status_add)(hc_ctx *ctx, const char *key, const char *format, ...) HC_PRINTF(3, 4);
};

/* ---- The plugin ---------------------------------------------------------------------------- */

/* hc_plugin.flags, or-ed. */
enum {
	/* apply() also gets snapshots that are not HC_STATE_WHOLE. */
	HC_PLUGIN_WANTS_INCOMPLETE = 1,
};

struct hc_plugin {
	uint32_t abi_major; /* HC_ABI_MAJOR */
	uint32_t size;	    /* sizeof(struct hc_plugin) */
	const char *name;   /* as in [NAME instance]; equals the file name without .so */
	const char *version;
	const char *summary; /* one line */
	uint32_t flags;	     /* HC_PLUGIN_* */
	uint32_t timeout_ms; /* default deadline of a job; 0: 60 s. The key `timeout` overrides */
	const struct hc_option *options; /* may be NULL */
	const struct hc_action *actions; /* may be NULL */
	uint32_t n_options;
	uint32_t option_size; /* sizeof(struct hc_option) */
	uint32_t n_actions;
	uint32_t action_size; /* sizeof(struct hc_action) */

	/*
	 * Makes an instance: checks what the option table cannot say, takes no exclusive resource
	 * (the instance it replaces may still run). Mandatory. Negative errno: not made.
	 */
	int32_t (*create)(const struct hc_host *host, hc_ctx *ctx, void **ret_instance);
	/* Ends it. No job is in flight then. Mandatory; gets only what create() gave. */
	void (*destroy)(void *instance);
	/*
	 * Begins to bring the target in line with the snapshot, then calls job_done(), now or
	 * later. Looks at the target first: where it agrees already, that is HC_SAME. Mandatory.
	 * One job at a time. Negative errno: not begun, tried again later.
	 */
	int32_t (*apply)(void *instance, const struct hc_snapshot *snapshot, hc_job job);
	/* Drops a job: its deadline passed, or the instance goes. Optional. */
	void (*cancel)(void *instance, hc_job job);
	/* Begins an action of the table; argv has argc words. Optional. Negative errno: not begun
	 */
	int32_t (*action)(void *instance, const char *name, uint32_t argc, const char *const *argv,
			  hc_job job);
	/* Calls status_add() for what `hotcertctl status` should show. Optional. */
	void (*status)(void *instance);
};

/* The members after size, in the order of the struct or (in C) by name. */
#define HC_PLUGIN_DEFINE(...)                                                                      \
	HC_EXPORT extern const struct hc_plugin hc_plugin_v1;                                      \
	const struct hc_plugin hc_plugin_v1 = {HC_ABI_MAJOR, sizeof(struct hc_plugin), __VA_ARGS__}

/* In HC_PLUGIN_DEFINE(), by name: the tables, their lengths and strides. */
#define HC_OPTIONS(table)                                                                          \
	.options = (table), .n_options = sizeof(table) / sizeof((table)[0]),                       \
	.option_size = sizeof((table)[0])
#define HC_ACTIONS(table)                                                                          \
	.actions = (table), .n_actions = sizeof(table) / sizeof((table)[0]),                       \
	.action_size = sizeof((table)[0])

#ifdef __cplusplus
}
#endif

#endif
