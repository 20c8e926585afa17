#include "platform/loop_ev.h"

#include <stdlib.h>

struct loop_timer {
	ev_timer ev;
	struct loop *loop;
	loop_fn fn;
};

struct loop_alarm {
	ev_periodic ev;
	struct loop *loop;
	loop_fn fn;
	int64_t at_ms;
};

static void timer_fire(struct ev_loop *ev, ev_timer *w, int revents)
{
	(void)ev;
	(void)revents;
	((struct loop_timer *)w)->fn(w->data);
}

struct loop_timer *loop_timer_add(struct loop *loop, int64_t after_ms, loop_fn fn, void *data)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	timer->loop = loop;
	timer->fn = fn;
	ev_timer_init(&timer->ev, timer_fire, 0., 0.);
	timer->ev.data = data;
	loop_timer_set(timer, after_ms);
	return timer;
}

void loop_timer_set(struct loop_timer *timer, int64_t after_ms)
{
	ev_timer_stop(timer->loop->ev, &timer->ev);
	if (after_ms < 0)
		return;
	ev_now_update(timer->loop->ev); /* libev counts from its last wake-up */
	ev_timer_set(&timer->ev, (double)after_ms / 1e3, 0.);
	ev_timer_start(timer->loop->ev, &timer->ev);
}

bool loop_timer_active(const struct loop_timer *timer)
{
	return timer && ev_is_active(&timer->ev);
}

void loop_timer_remove(struct loop_timer *timer)
{
	if (!timer)
		return;
	ev_timer_stop(timer->loop->ev, &timer->ev);
	free(timer);
}

/* libev reckons the wall clock from the monotonic one and can be ahead of it by a moment. */
static void alarm_fire(struct ev_loop *ev, ev_periodic *w, int revents)
{
	struct loop_alarm *alarm = (struct loop_alarm *)w;

	(void)ev;
	(void)revents;
	if (loop_now_wall() < alarm->at_ms)
		loop_alarm_set(alarm, alarm->at_ms);
	else
		alarm->fn(w->data);
}

struct loop_alarm *loop_alarm_add(struct loop *loop, int64_t at_ms, loop_fn fn, void *data)
{
	struct loop_alarm *alarm = calloc(1, sizeof(*alarm));

	if (!alarm)
		return NULL;
	alarm->loop = loop;
	alarm->fn = fn;
	ev_periodic_init(&alarm->ev, alarm_fire, 0., 0., NULL);
	alarm->ev.data = data;
	loop_alarm_set(alarm, at_ms);
	return alarm;
}

void loop_alarm_set(struct loop_alarm *alarm, int64_t at_ms)
{
	ev_periodic_stop(alarm->loop->ev, &alarm->ev);
	alarm->at_ms = at_ms;
	if (at_ms == INT64_MAX)
		return;
	ev_periodic_set(&alarm->ev, (double)at_ms / 1e3, 0., NULL);
	ev_periodic_start(alarm->loop->ev, &alarm->ev);
}

void loop_alarm_remove(struct loop_alarm *alarm)
{
	if (!alarm)
		return;
	ev_periodic_stop(alarm->loop->ev, &alarm->ev);
	free(alarm);
}
