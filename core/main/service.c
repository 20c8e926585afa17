/*
 * main/service - the running daemon
 *
 * Idle, it wakes up for the watchdog alone. What has changed is told to the service manager, the
 * metrics file and those who wait for it by one timer, which runs only when there is something new.
 */
#include "main/service.h"

#include "base/log.h"
#include "main/lock.h"
#include "main/status.h"
#include "platform/notify.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#define SERVICE_MAGIC 0x68737663u /* "hsvc" */
#define UPDATE_MS 1000
#define UPDATE_SHARE 20 /* with very many watches seldom enough to take a twentieth of the time */
#define UPDATE_DELAY_MS 50 /* a change seldom comes alone */

/* ---- what has changed ---- */

static void service_update(void *data)
{
	struct service *s = data;
	int64_t start = loop_now_mono(), took;
	struct str line = {0};

	assert(s->magic == SERVICE_MAGIC);
	status_line(s->engine, &line);
	if (strcmp(str_get(&line), str_get(&s->status)) != 0) {
		notify_send("STATUS=%s", str_get(&line));
		str_finish(&s->status);
		s->status = line;
	} else {
		str_finish(&line);
	}
	metrics_file_update(&s->metrics, s->engine);
	control_updated(s->control);
	took = loop_now_mono() - start;
	s->update_due = start + (took * UPDATE_SHARE > UPDATE_MS ? took * UPDATE_SHARE : UPDATE_MS);
}

static void service_changed(void *user)
{
	struct service *s = user;
	int64_t wait = s->update_due - loop_now_mono();

	if (!s->update || s->stopping || loop_timer_active(s->update))
		return;
	loop_timer_set(s->update, wait > UPDATE_DELAY_MS ? wait : UPDATE_DELAY_MS);
}

static void service_ready(void *user)
{
	struct service *s = user;

	if (s->stopping)
		return;
	status_line(s->engine, &s->status);
	notify_send("READY=1\nSTATUS=%s", str_get(&s->status));
	log_notice("ready: %s", str_get(&s->status));
}

/* ---- reload ---- */

static void log_errors(const struct errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		log_error("%s", errors->text[i]);
}

static void reload_begin(const struct service *s)
{
	/* before READY=1 the manager knows no reload: systemd would take its end for the start's */
	if (s->engine->ready && !s->stopping)
		notify_send("RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reloading",
			    (long long)loop_now_us());
}

static void reload_end(struct service *s)
{
	status_line(s->engine, &s->status);
	if (s->engine->ready && !s->stopping)
		notify_send("READY=1\nSTATUS=%s", str_get(&s->status));
	service_changed(s);
}

int service_reload(struct service *s, struct errors *errors)
{
	int r;

	assert(s->magic == SERVICE_MAGIC);
	reload_begin(s);
	r = engine_reload(s->engine, errors);
	if (r < 0)
		errors_add(errors, "%s", strerror(-r));
	log_errors(errors);
	if (r == 0)
		log_notice("configuration reloaded");
	else
		log_error("reload failed; the configuration before runs on");
	reload_end(s);
	return r;
}

/* ---- signals and the watchdog ---- */

static void on_hangup(void *data)
{
	struct service *s = data;
	struct errors errors = {0};

	if (s->stopping)
		return;
	(void)service_reload(s, &errors);
	errors_finish(&errors);
}

static void on_terminate(void *data)
{
	struct service *s = data;

	assert(s->magic == SERVICE_MAGIC);
	if (s->stopping)
		return;
	s->stopping = true;
	notify_send("STOPPING=1\nSTATUS=stopping");
	log_notice("stopping");
	loop_stop(s->loop);
}

static void on_watchdog(void *data)
{
	struct service *s = data;

	notify_send("WATCHDOG=1");
	loop_timer_set(s->watchdog, s->watchdog_ms);
}

/* 0 or -ENOMEM. */
static int add_watchers(struct service *s)
{
	s->hangup = loop_signal_add(s->loop, SIGHUP, on_hangup, s);
	s->terminate = loop_signal_add(s->loop, SIGTERM, on_terminate, s);
	s->interrupt = loop_signal_add(s->loop, SIGINT, on_terminate, s);
	s->update = loop_timer_add(s->loop, UPDATE_DELAY_MS, service_update, s);
	s->watchdog_ms = notify_watchdog_ms();
	if (s->watchdog_ms > 0)
		s->watchdog = loop_timer_add(s->loop, 0, on_watchdog, s);
	if (!s->hangup || !s->terminate || !s->interrupt || !s->update)
		return -ENOMEM;
	return s->watchdog_ms > 0 && !s->watchdog ? -ENOMEM : 0;
}

/* ---- start and end ---- */

/* 0, or -1: the errors have been logged. */
static int load(struct service *s, const struct config_source *source)
{
	const struct engine_ops ops = {
		.ready = service_ready, .changed = service_changed, .user = s};
	struct errors errors = {0};
	int r = engine_create(s->loop, source, &ops, &s->engine);

	if (r == -EMFILE)
		errors_add(&errors, "inotify: too many instances; raise the sysctl "
				    "fs.inotify.max_user_instances");
	else if (r < 0)
		errors_add(&errors, "cannot start: %s", strerror(-r));
	else
		r = engine_load(s->engine, &errors);
	if (r < 0 && !errors.n)
		errors_add(&errors, "cannot start: %s", strerror(-r));
	log_errors(&errors);
	errors_finish(&errors);
	return r == 0 ? 0 : -1;
}

static int open_control(struct service *s, const char *directory)
{
	int r = control_create(s->loop, s, directory, &s->control);

	if (r == -ENAMETOOLONG)
		log_error("control socket %s/control.sock: longer than the 107 bytes that a "
			  "socket's path may have; choose a shorter runtime_dir",
			  directory);
	else if (r == -EEXIST)
		log_error("control socket %s/control.sock: in its place is something that is no "
			  "socket; move it away",
			  directory);
	else if (r < 0)
		log_error("control socket %s/control.sock: %s", directory, strerror(-r));
	return r < 0 ? -1 : 0;
}

int service_start(struct service *s, struct loop *loop, const struct config_source *source)
{
	const struct config_daemon *daemon;

	*s = (struct service){.magic = SERVICE_MAGIC, .loop = loop, .lock_fd = -1};
	if (add_watchers(s) < 0) { /* first: a signal that comes meanwhile waits for the loop */
		log_error("cannot start: out of memory");
		return -1;
	}
	if (load(s, source) < 0)
		return -1;
	daemon = &s->engine->generation->config->daemon;
	if (lock_directories(daemon, &s->lock_fd) < 0)
		return -1;
	if (open_control(s, daemon->runtime_dir) < 0)
		return -1;
	log_notice("hotcertd %s started; control socket %s", HC_VERSION, s->control->path);
	return 0;
}

void service_finish(struct service *s)
{
	s->stopping = true;
	loop_signal_remove(s->hangup);
	loop_signal_remove(s->terminate);
	loop_signal_remove(s->interrupt);
	loop_timer_remove(s->watchdog);
	loop_timer_remove(s->update);
	s->update = NULL;
	control_destroy(s->control);
	engine_destroy(s->engine);
	lock_release(s->lock_fd);
	str_finish(&s->status);
	s->magic = 0;
}
