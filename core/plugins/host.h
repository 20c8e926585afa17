/*
 * plugins/host - what the daemon offers to a plugin: the hc_host table and the context behind it
 */
#ifndef HC_PLUGINS_HOST_H
#define HC_PLUGINS_HOST_H

#include "base/errors.h"
#include "base/list.h"
#include "model/options.h"
#include "platform/loop.h"
#include "plugins/loader.h"

#include <hotcert/plugin.h>

#define HOST_CTX_MAGIC 0x68637478u /* "hctx" */

typedef void (*host_status_fn)(void *user, const char *key, const char *value);

/* Behind the opaque hc_ctx of <hotcert/plugin.h>. */
struct hc_ctx {
	unsigned magic;
	unsigned refs; /* one of the instance, one of each open post */
	bool dead;     /* the instance is gone; only posts keep this */
	char *name;    /* "plugin:name" */
	char *state_path;
	struct options *options;
	struct list watchers;	  /* what must go with the instance */
	struct errors *errors;	  /* where opt_error() goes while create() runs, else NULL */
	host_status_fn status_fn; /* where status_add() goes while status() runs, else NULL */
	void *status_user;
	void (*on_request)(void *owner);
	void *owner;
};

/* Once per process, before the first context and after the last. 0 or -ENOMEM. */
int host_init(struct loop *loop);
void host_finish(void);
struct loop *host_loop(void);

/* The table that create() gets. */
const struct hc_host *host_table(void);

/*
 * A context; takes options over, on failure too. NULL: no memory. host_ctx_destroy() removes every
 * watcher, timer and child that is left and takes NULL.
 */
struct hc_ctx *host_ctx_create(const char *name, char *state_path, struct options *options);
void host_ctx_destroy(struct hc_ctx *ctx);

/*
 * Around each call into a plugin. A plugin that held the loop for long is named in the log.
 */
struct host_call {
	const struct hc_ctx *ctx;
	const char *what;
	int64_t start_us;
};

struct host_call host_enter(const struct hc_ctx *ctx, const char *what);
void host_leave(const struct host_call *call);

/* The text of a plugin's format, or the format itself where it has %n. Free with free(3). */
char *host_format(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* Watchers, timers, alarms and children: plugins/host_watch.c */
hc_io *host_io_add(hc_ctx *ctx, int fd, uint32_t events, hc_io_fn fn, void *data);
void host_io_set(hc_io *io, uint32_t events);
void host_io_remove(hc_io *io);
hc_timer *host_timer_add(hc_ctx *ctx, int64_t after_ms, hc_timer_fn fn, void *data);
void host_timer_set(hc_timer *timer, int64_t after_ms);
void host_timer_remove(hc_timer *timer);
hc_alarm *host_alarm_add(hc_ctx *ctx, int64_t at_ms, hc_timer_fn fn, void *data);
void host_alarm_set(hc_alarm *alarm, int64_t at_ms);
void host_alarm_remove(hc_alarm *alarm);
int32_t host_spawn(hc_ctx *ctx, const struct hc_spawn *spawn, hc_child **ret_child);
void host_child_kill(hc_child *child);
void host_watchers_remove(hc_ctx *ctx);

/* Calls from other threads: plugins/host_post.c */
int host_post_init(struct loop *loop);
void host_post_finish(void);
hc_post *host_post_open(hc_ctx *ctx, hc_post_fn fn, void *data);
void host_post_send(hc_post *post);
void host_ctx_unref(struct hc_ctx *ctx);

#endif
