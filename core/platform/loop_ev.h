/*
 * platform/loop_ev - the loop's own side of libev, for core/platform/loop*.c alone
 */
#ifndef HC_PLATFORM_LOOP_EV_H
#define HC_PLATFORM_LOOP_EV_H

#include "platform/loop.h"

#include <ev.h>

struct loop {
	struct ev_loop *ev;
	ev_prepare tasks_now; /* never started, only fed: see ev_feed_event in ev(3) */
	ev_idle tasks_later;
	struct loop_task *now_first, **now_last;
	struct loop_task *later_first, **later_last;
};

#endif
