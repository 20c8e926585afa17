#include "redis/target_run.h"

#include "common/mem.h"

#include <stdio.h>
#include <string.h>

/*
 * A server that cannot be reloaded is restarted by fallback_command, but only while it serves
 * something else than the file: a handshake says whether, before and after.
 */

/* A restarted server loads its data before it listens. */
#define RESTART_MS 15000
#define AGAIN_MS 250

static void look_again(struct target *t);

static void give_up(struct target *t, const char *what, const char *more)
{
	target_finish(t, HC_FAILED, "%s ended well, but %s%s", t->config->fallback[0], what, more);
}

static void on_restarted(void *data, const struct tls_chain *chain, enum stream_end end,
			 const char *error)
{
	struct target *t = data;
	char text[64];

	(void)end;
	if (chain)
		t->served = *chain;
	wanted_chain_format(&t->served, text, sizeof(text));
	if (chain && wanted_is_served(t->wanted, chain)) {
		target_remember_served(t);
		target_remember_applied(t);
		target_finish(t, HC_OK, "serves %s, after %s", text, t->config->fallback[0]);
	} else if (t->config->host->now_mono() < t->give_up) {
		look_again(t);
	} else if (chain) {
		give_up(t, "served is still ", text);
	} else {
		give_up(t, "nothing is served: ", error);
	}
}

static void on_again(void *data)
{
	struct target *t = data;

	t->config->host->timer_remove(steal(&t->again));
	target_probe(t, PLACE_PORT, on_restarted);
}

static void look_again(struct target *t)
{
	t->again = t->config->host->timer_add(t->config->ctx, AGAIN_MS, on_again, t);
	if (!t->again)
		target_finish(t, HC_RETRY, "out of memory");
}

static void log_output(struct target *t, int32_t level)
{
	const struct redis_config *c = t->config;

	for (size_t i = 0; i < tail_count(t->tail); i++)
		c->host->log(c->ctx, level, "%s: %s: %s", t->name, c->fallback[0],
			     tail_get(t->tail, i));
}

static void on_line(void *data, const char *line)
{
	struct target *t = data;

	tail_add(t->tail, line);
}

static void on_exit_code(void *data, int32_t code)
{
	struct target *t = data;

	t->child = NULL;
	log_output(t, code ? HC_LOG_WARNING : HC_LOG_INFO);
	free(steal(&t->tail));
	if (code == 0) {
		t->give_up = t->config->host->now_mono() + RESTART_MS;
		target_probe(t, PLACE_PORT, on_restarted);
		return;
	}
	target_finish(t, HC_FAILED, "%s %s %d", t->config->fallback[0],
		      code < 0 ? "was killed by signal" : "exited with", code < 0 ? -code : code);
}

void target_run_fallback(struct target *t)
{
	char address[300];
	const char *env[] = {address, NULL};
	struct hc_spawn spawn = {
		.size = sizeof(spawn),
		.argv = (const char *const *)t->config->fallback,
		.env = env,
		.on_line = on_line,
		.on_exit = on_exit_code,
		.data = t,
	};
	int32_t r;

	t->touched = true;
	target_disconnect(t); /* its end would be taken for the run's */
	snprintf(address, sizeof(address), "HOTCERT_ADDRESS=%s", t->name);
	t->tail = calloc(1, sizeof(*t->tail));
	if (!t->tail) {
		target_finish(t, HC_RETRY, "out of memory");
		return;
	}
	r = t->config->host->spawn(t->config->ctx, &spawn, &t->child);
	if (r == 0)
		return;
	free(steal(&t->tail));
	target_finish(t, HC_FAILED, "cannot run %s: %s", t->config->fallback[0], strerror(-r));
}

void target_drop_fallback(struct target *t)
{
	t->config->host->child_kill(steal(&t->child));
	t->config->host->timer_remove(steal(&t->again));
	free(steal(&t->tail));
}

static void on_looked(void *data, const struct tls_chain *chain, enum stream_end end,
		      const char *error)
{
	struct target *t = data;
	char text[64];

	(void)end;
	if (!chain) {
		target_finish(t, HC_RETRY, "cannot look at what is served: %s", error);
		return;
	}
	t->served = *chain;
	wanted_chain_format(chain, text, sizeof(text));
	target_note(t, "serves       %s", text);
	target_watch_expiry(t);
	if (wanted_is_served(t->wanted, chain)) {
		target_finish(t, HC_SAME, "serves %s already", text);
	} else if (t->goal == TARGET_CHECK) {
		target_finish(t, HC_OK, "would be restarted by %s", t->config->fallback[0]);
	} else if (t->goal == TARGET_LOOK) {
		t->due = DUE_FALLBACK;
		target_finish(t, TARGET_DUE, "waits for its turn");
	} else {
		target_run_fallback(t);
	}
}

void target_fall_back(struct target *t, const char *reason)
{
	target_note(t, "reload       not possible: %s", reason);
	if (!t->config->fallback || !t->wanted)
		target_finish(t, HC_FAILED, "%s", reason);
	else
		target_probe(t, PLACE_PORT, on_looked);
}
