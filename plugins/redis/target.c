#include "redis/target.h"

#include "common/mem.h"
#include "redis/reply.h"
#include "redis/target_run.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define TARGET_MAGIC 0x7a49e700u

/* ---- the connection ---- */

void target_disconnect(struct target *t)
{
	probe_destroy(steal(&t->probe));
	control_destroy(steal(&t->control));
	server_finish(&t->server);
	t->known = false;
	t->peer.pid = 0;
	t->proven.n = 0;
}

static void note_peer(struct target *t, const struct tls_session *tls)
{
	if (tls)
		target_note(t, "connected    %s%s%s", SSL_get_version(tls->ssl),
			    t->tls.verify ? ", chain and name verified" : ", NOT VERIFIED",
			    tls->pinned ? ", expired: accepted as the one last seen" : "");
	else if (t->peer.pid > 0)
		target_note(t, "connected    to process %d of user %u", (int)t->peer.pid,
			    (unsigned)t->peer.uid);
	else
		target_note(t, "connected    in plain text");
}

static void on_ready(void *data)
{
	struct target *t = data;
	const struct tls_session *tls = stream_tls(control_stream(t->control));

	assert(t->magic == TARGET_MAGIC);
	if (tls)
		tls_chain_take(tls->ssl, &t->served);
	else if (stream_peer_cred(control_stream(t->control), &t->peer) < 0)
		t->peer.pid = 0;
	note_peer(t, tls);
	target_ask(t);
}

static void on_replies(void *data, redisReply *const *replies, size_t n)
{
	struct target *t = data;

	assert(t->magic == TARGET_MAGIC);
	target_take_replies(t, replies, n);
}

static void on_end(void *data, enum stream_end end, const char *error)
{
	struct target *t = data;

	assert(t->magic == TARGET_MAGIC);
	if (t->fn)
		target_finish_end(t, end, error);
	else
		target_disconnect(t); /* an idle one: the next run connects again */
}

static const struct control_ops control_ops = {on_ready, on_replies, on_end};

/* Expired leaves that are known: what was last seen served, and what lies on disk. */
static void pin(struct target *t)
{
	t->tls.n_pins = 0;
	if (t->config->expired != EXPIRED_PINNED)
		return;
	if (t->record.has_served)
		memcpy(t->pins[t->tls.n_pins++], t->record.served, 32);
	if (t->wanted)
		memcpy(t->pins[t->tls.n_pins++], t->wanted->chain.sha256[0], 32);
}

static void start_connection(struct target *t)
{
	const struct redis_config *c = t->config;
	struct stream_options options = {
		.addr = t->addr,
		.tls = &t->tls,
		.timeout_ms = c->connect_timeout,
	};

	t->reused = false;
	t->tls = (struct tls_options){
		.context = c->context,
		.name = c->server_name ? c->server_name : t->addr.host,
		.verify = c->expired != EXPIRED_INSECURE,
		.pins = (const uint8_t(*)[32])t->pins,
		.client_cert = c->client_cert,
		.client_key = c->client_key,
	};
	pin(t);
	if (!t->tls.verify && t->addr.kind == STREAM_TLS)
		c->host->log(c->ctx, HC_LOG_WARNING,
			     "%s: connecting without any check of the server, as "
			     "\"expired = insecure\" says",
			     t->name);
	if (control_create(c->host, c->ctx, &options, &control_ops, t, &t->control) < 0)
		target_finish(t, HC_RETRY, "out of memory");
}

/* ---- the end of a run ---- */

void target_note(struct target *t, const char *format, ...)
{
	size_t used;
	va_list args;

	if (t->goal != TARGET_CHECK || !t->report)
		return;
	used = strlen(t->report);
	if (used > 0 && used + 1 < TARGET_REPORT_SIZE)
		t->report[used++] = '\n';
	va_start(args, format);
	vsnprintf(t->report + used, TARGET_REPORT_SIZE - used, format, args);
	va_end(args);
}

static bool is_failure(int32_t status)
{
	return status == HC_RETRY || status == HC_FAILED;
}

void target_finish(struct target *t, int32_t status, const char *format, ...)
{
	target_fn fn = t->fn;
	va_list args;

	va_start(args, format);
	vsnprintf(t->last_text, sizeof(t->last_text), format, args);
	va_end(args);
	target_note(t, "result       %s", t->last_text);
	t->last_status = status;
	t->last_at = t->config->host->now_wall();
	t->fn = NULL;
	if (is_failure(status) && !t->keep)
		target_disconnect(t);
	fn(t->data, status, t->last_text);
}

void target_finish_reply(struct target *t, const char *what, const redisReply *reply)
{
	const char *user = t->config->username ? t->config->username : "default";
	enum reply_kind kind = reply_classify(reply);
	char text[480];

	reply_explain(reply, user, t->config->acl_rules, text, sizeof(text));
	t->patience = kind == REPLY_WRONGPASS;
	target_finish(t, reply_status(kind), "%s: %s", what, text);
}

/* Whether trying again may help without anybody's doing. */
static int32_t status_of_end(const struct target *t, enum stream_end end)
{
	switch (end) {
	case STREAM_UNTRUSTED:
	case STREAM_NOT_TLS:
		return HC_FAILED;
	case STREAM_REJECTED: /* a client certificate may be about to be renewed */
		return t->config->client_cert ? HC_RETRY : HC_FAILED;
	default:
		return HC_RETRY;
	}
}

static const char *advice_of_end(const struct target *t, enum stream_end end)
{
	if (end == STREAM_UNTRUSTED)
		return "; no password was sent. Check ca_file and server_name, or use the server's "
		       "unix socket";
	if (end == STREAM_REJECTED && !t->config->client_cert)
		return "; set client_cert and client_key";
	if (end == STREAM_NOT_TLS)
		return "; for a plaintext port write \"tcp:\" before the address";
	return "";
}

static void reset(struct target *t)
{
	t->use = (struct files_use){.ca = false};
	t->due = DUE_NOTHING;
	t->touched = t->keep = t->passphrase = t->patience = false;
	if (t->goal == TARGET_CHECK && !t->report)
		t->report = malloc(TARGET_REPORT_SIZE);
	if (t->report)
		t->report[0] = '\0';
}

void target_finish_end(struct target *t, enum stream_end end, const char *error)
{
	if (t->reused) {
		target_disconnect(t);
		reset(t);
		start_connection(t);
		return;
	}
	target_finish(t, status_of_end(t, end), "%s%s", error, advice_of_end(t, end));
}

/* ---- what the owner calls ---- */

struct target *target_create(const struct redis_config *config, const char *name,
			     const struct stream_addr *addr)
{
	struct target *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->magic = TARGET_MAGIC;
	t->config = config;
	t->name = name;
	t->addr = *addr;
	server_init(&t->server);
	record_find(config->book, name, &t->record);
	return t;
}

void target_destroy(struct target *t)
{
	if (!t)
		return;
	assert(t->magic == TARGET_MAGIC);
	target_put(t);
	target_drop_fallback(t);
	target_disconnect(t);
	t->config->host->alarm_remove(t->expiry);
	free(t->report);
	t->magic = 0;
	free(t);
}

/* From the beginning, on the connection at hand where there is one. */
static void begin(struct target *t)
{
	reset(t);
	if (!t->control) {
		start_connection(t);
		return;
	}
	t->reused = true;
	target_note(t, "connected    still, from an earlier run");
	target_ask(t);
}

/* From where a look has ended. False: nothing is due there any more. */
static bool go_on(struct target *t, const struct wanted *wanted)
{
	enum target_due due = t->due;

	if (t->goal != TARGET_APPLY || t->wanted != wanted)
		return false;
	if (due == DUE_NOTHING || (due == DUE_SET && !t->control))
		return false;
	t->due = DUE_NOTHING;
	t->reused = due == DUE_SET;
	if (due == DUE_SET)
		target_set(t);
	else
		target_run_fallback(t);
	return true;
}

void target_run(struct target *t, const struct wanted *wanted, enum target_goal goal, target_fn fn,
		void *data)
{
	assert(t->magic == TARGET_MAGIC && !t->fn && (wanted || goal == TARGET_CHECK));
	t->fn = fn;
	t->data = data;
	t->goal = goal;
	if (go_on(t, wanted))
		return;
	t->wanted = wanted;
	begin(t);
}

void target_cancel(struct target *t)
{
	if (!t->fn)
		return;
	t->fn = NULL;
	target_drop_fallback(t);
	target_disconnect(t);
}

void target_tear_down(struct target *t)
{
	if (!t->fn)
		probe_destroy(steal(&t->probe));
}

void target_put(struct target *t)
{
	if (t->unsaved && record_put(t->config->book, t->name, &t->record) == 0)
		t->unsaved = false;
}

bool target_unsaved(const struct target *t)
{
	return t->unsaved;
}

const char *target_name(const struct target *t)
{
	return t->name;
}

bool target_is_replica(const struct target *t)
{
	return server_is_replica(&t->server);
}

bool target_touched(const struct target *t)
{
	return t->touched;
}

bool target_wants_patience(const struct target *t)
{
	return t->patience;
}

const char *target_last_text(const struct target *t)
{
	return t->last_text;
}

const char *target_report(const struct target *t)
{
	return t->report ? t->report : "";
}

void target_show(const struct target *t)
{
	char server[80], served[64], peer[64] = "", when[32] = "never";

	server_describe(&t->server, server, sizeof(server));
	wanted_chain_format(&t->served, served, sizeof(served));
	if (t->last_at)
		tls_time_format(t->last_at, when, sizeof(when));
	if (t->peer.pid > 0)
		snprintf(peer, sizeof(peer), ", process %d of user %u", (int)t->peer.pid,
			 (unsigned)t->peer.uid);
	t->config->host->status_add(t->config->ctx, t->name, "%s%s; served %s; last run %s: %s",
				    server, peer, served, when, t->last_text);
}
