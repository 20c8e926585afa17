/*
 * platform/loop - the event loop; the only file behind it that knows libev
 *
 * One loop per process. Every *_remove takes NULL and may be called inside any callback, its own
 * included. Times are milliseconds.
 */
#ifndef HC_PLATFORM_LOOP_H
#define HC_PLATFORM_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct loop_io;
struct loop_timer;
struct loop_alarm;
struct loop_signal;
struct loop_child;
struct loop_async;

enum {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
};

typedef void (*loop_fn)(void *data);
typedef void (*loop_io_fn)(void *data, uint32_t events);
typedef void (*loop_child_fn)(void *data, int wait_status);

/* NULL: no memory or no kernel support. */
struct loop *loop_create(void);
void loop_destroy(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Level-triggered. The descriptor stays the caller's. NULL: no memory. */
struct loop_io *loop_io_add(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *data);
void loop_io_set(struct loop_io *io, uint32_t events);
void loop_io_remove(struct loop_io *io);

/* Fires once, after_ms from now on CLOCK_MONOTONIC; negative: created but not wound up. */
struct loop_timer *loop_timer_add(struct loop *loop, int64_t after_ms, loop_fn fn, void *data);
void loop_timer_set(struct loop_timer *timer, int64_t after_ms); /* negative: stops it */
void loop_timer_remove(struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);

/* Fires once when CLOCK_REALTIME reaches at_ms; heeds suspend and clock jumps (timerfd_create(2),
 * TFD_TIMER_CANCEL_ON_SET). INT64_MAX: not wound up. */
struct loop_alarm *loop_alarm_add(struct loop *loop, int64_t at_ms, loop_fn fn, void *data);
void loop_alarm_set(struct loop_alarm *alarm, int64_t at_ms);
void loop_alarm_remove(struct loop_alarm *alarm);

/* Once removed the signal is ignored: one that comes late must not end what is being ended. */
struct loop_signal *loop_signal_add(struct loop *loop, int signum, loop_fn fn, void *data);
void loop_signal_remove(struct loop_signal *signal);

/* Reaps one child of this process; fn gets its wait(2) status once. */
struct loop_child *loop_child_add(struct loop *loop, pid_t pid, loop_child_fn fn, void *data);
void loop_child_remove(struct loop_child *child);

/* loop_async_send() alone may be called from any thread; sends that come together may be one call.
 */
struct loop_async *loop_async_add(struct loop *loop, loop_fn fn, void *data);
void loop_async_send(struct loop_async *async);
void loop_async_remove(struct loop_async *async);

/*
 * Work for as soon as the current callback has returned, before the loop waits again. Embedded in
 * the caller's object; running twice before it was called is once.
 */
struct loop_task {
	struct loop *loop;
	struct loop_task *next;
	loop_fn fn;
	void *data;
	bool queued;
};

void loop_task_init(struct loop_task *task, struct loop *loop, loop_fn fn, void *data);
void loop_task_run(struct loop_task *task);
void loop_task_finish(struct loop_task *task);
/* The same, but only after the loop has looked at its descriptors once more: for work in slices. */
void loop_task_run_later(struct loop_task *task);

int64_t loop_now_mono(void); /* CLOCK_MONOTONIC */
int64_t loop_now_wall(void); /* CLOCK_REALTIME, since 1970 */
int64_t loop_now_us(void);   /* CLOCK_MONOTONIC in microseconds */

#endif
