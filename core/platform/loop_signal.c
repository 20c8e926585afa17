#include "platform/loop_ev.h"

#include <signal.h>
#include <stdlib.h>

struct loop_signal {
	ev_signal ev;
	struct loop *loop;
	loop_fn fn;
};

struct loop_child {
	ev_child ev;
	struct loop *loop;
	loop_child_fn fn;
};

struct loop_async {
	ev_async ev;
	struct loop *loop;
	loop_fn fn;
};

static void signal_fire(struct ev_loop *ev, ev_signal *w, int revents)
{
	(void)ev;
	(void)revents;
	((struct loop_signal *)w)->fn(w->data);
}

struct loop_signal *loop_signal_add(struct loop *loop, int signum, loop_fn fn, void *data)
{
	struct loop_signal *sig = calloc(1, sizeof(*sig));

	if (!sig)
		return NULL;
	sig->loop = loop;
	sig->fn = fn;
	ev_signal_init(&sig->ev, signal_fire, signum);
	sig->ev.data = data;
	ev_signal_start(loop->ev, &sig->ev);
	return sig;
}

void loop_signal_remove(struct loop_signal *sig)
{
	sigset_t set;

	if (!sig)
		return;
	sigemptyset(&set);
	sigaddset(&set, sig->ev.signum);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ev_signal_stop(sig->loop->ev, &sig->ev); /* gives it the action that ends a process */
	signal(sig->ev.signum, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	free(sig);
}

static void child_fire(struct ev_loop *ev, ev_child *w, int revents)
{
	struct loop_child *child = (struct loop_child *)w;

	(void)revents;
	ev_child_stop(ev, w);
	child->fn(w->data, w->rstatus);
}

struct loop_child *loop_child_add(struct loop *loop, pid_t pid, loop_child_fn fn, void *data)
{
	struct loop_child *child = calloc(1, sizeof(*child));

	if (!child)
		return NULL;
	child->loop = loop;
	child->fn = fn;
	ev_child_init(&child->ev, child_fire, pid, 0);
	child->ev.data = data;
	ev_child_start(loop->ev, &child->ev);
	return child;
}

void loop_child_remove(struct loop_child *child)
{
	if (!child)
		return;
	ev_child_stop(child->loop->ev, &child->ev);
	free(child);
}

static void async_fire(struct ev_loop *ev, ev_async *w, int revents)
{
	(void)ev;
	(void)revents;
	((struct loop_async *)w)->fn(w->data);
}

struct loop_async *loop_async_add(struct loop *loop, loop_fn fn, void *data)
{
	struct loop_async *async = calloc(1, sizeof(*async));

	if (!async)
		return NULL;
	async->loop = loop;
	async->fn = fn;
	ev_async_init(&async->ev, async_fire);
	async->ev.data = data;
	ev_async_start(loop->ev, &async->ev);
	return async;
}

void loop_async_send(struct loop_async *async)
{
	ev_async_send(async->loop->ev, &async->ev);
}

void loop_async_remove(struct loop_async *async)
{
	if (!async)
		return;
	ev_async_stop(async->loop->ev, &async->ev);
	free(async);
}
