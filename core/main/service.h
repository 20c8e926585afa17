/*
 * main/service - the running daemon: signals, service manager, watchdog, metrics file
 */
#ifndef HC_MAIN_SERVICE_H
#define HC_MAIN_SERVICE_H

#include "base/errors.h"
#include "base/str.h"
#include "engine/engine.h"
#include "main/control.h"
#include "main/metrics.h"
#include "platform/loop.h"

#include <stdbool.h>

/* Read by all of main/, written by service.c alone. */
struct service {
	unsigned magic;
	struct loop *loop;
	struct engine *engine;
	struct control *control;
	int lock_fd; /* of runtime_dir, locked */
	struct loop_signal *hangup;
	struct loop_signal *terminate;
	struct loop_signal *interrupt;
	struct loop_timer *watchdog; /* NULL: none wanted */
	int64_t watchdog_ms;
	struct loop_timer *update; /* tells the world what has changed, at most once a second */
	int64_t update_due;	   /* monotonic: not before that */
	struct str status;	   /* the STATUS= that was sent last */
	struct metrics_file metrics;
	bool stopping;
};

/*
 * Loads the configuration and gets everything ready to run; what is wrong has been logged then.
 * 0, or -1.
 */
int service_start(struct service *s, struct loop *loop, const struct config_source *source);

/* Ends all jobs, removes the socket. Takes a service that start has failed on. */
void service_finish(struct service *s);

/* One transaction, with its end told to the service manager and the log: as engine_reload(). */
int service_reload(struct service *s, struct errors *errors);

#endif
