#include "stepca/task.h"

#include "common/mem.h"
#include "stepca/chain.h"
#include "stepca/roots.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <string.h>

static int64_t now_of(const struct task *task)
{
	return task->ca->host->now_wall();
}

static void task_free(struct task *task)
{
	task->ca->task = NULL;
	authority_give_turn(&task->ca->member);
	work_cancel(task->work);
	acme_destroy(task->acme);
	http_destroy(task->bootstrap);
	http_destroy(task->verified);
	http_destroy(task->mutual);
	X509_STORE_free(task->trust);
	pair_finish(&task->pair);
	EVP_PKEY_free(task->key);
	X509_REQ_free(task->csr);
	ott_command_free(task);
	json_decref(task->template_data);
	free(task->report);
	ca_provisioner_finish(&task->provisioner);
	EVP_PKEY_free(task->provisioner_key);
	task->magic = 0;
	free(task);
}

void task_cancel(struct stepca *ca)
{
	if (ca->task)
		task_free(ca->task);
}

static struct task *task_create(struct stepca *ca, enum task_kind kind, hc_job job)
{
	struct task *task = calloc(1, sizeof(*task));

	assert(!ca->task);
	if (!task) {
		ca->host->job_done(job, HC_RETRY, "out of memory");
		return NULL;
	}
	task->magic = TASK_MAGIC;
	task->ca = ca;
	task->kind = kind;
	task->job = job;
	ca->task = task;
	return task;
}

/* While this one waited for its turn, another one has found out that nobody is there. */
static void task_wait_for_ca(struct task *task)
{
	task_say(task, "%s", authority_away(&task->ca->member));
	task->away = true;
	task_fail(task, CA_RETRY, 0);
}

static void task_begin(void *data)
{
	struct task *task = data;
	struct stepca *ca = task->ca;
	int r = store_read_pair(&ca->store, &task->pair);

	if (!task->by_hand && !authority_may_ask(&ca->member))
		return task_wait_for_ca(task);
	if (r < 0)
		return task_fail_errno(task, r, "cannot read %s and %s", ca->store.cert,
				       ca->store.key);
	r = store_writable(&ca->store);
	if (r < 0)
		return task_fail_errno(task, r, "cannot write in the directory of %s",
				       ca->store.cert);
	if (task->kind == TASK_CHECK && check_open(task) < 0)
		return task_fail_errno(task, -ENOMEM, "cannot check");
	roots_begin(task);
}

static void task_wait(struct task *task)
{
	authority_take_turn(&task->ca->member, (uint32_t)task->ca->options.parallel, task_begin,
			    task);
}

void task_start(struct stepca *ca, enum task_kind kind, hc_job job)
{
	struct task *task = task_create(ca, kind, job);

	if (task)
		task_wait(task);
}

void task_start_by_hand(struct stepca *ca, enum task_kind kind, hc_job job)
{
	struct task *task = task_create(ca, kind, job);

	if (!task)
		return;
	task->by_hand = true;
	task_wait(task);
}

void task_start_revoking(struct stepca *ca, int reason, hc_job job)
{
	struct task *task = task_create(ca, TASK_REVOKE, job);

	if (!task)
		return;
	task->reason = reason;
	task->by_hand = true;
	task_wait(task);
}

void task_continue(struct task *task)
{
	switch (task->kind) {
	case TASK_ROOTS:
		return task_succeed(task, "the CA's roots are in place");
	case TASK_RENEW:
		return renew_begin(task);
	case TASK_ENROL:
		return enrol_begin(task);
	case TASK_CHECK:
		return check_begin(task);
	case TASK_REVOKE:
		return revoke_begin(task);
	}
}

/* -- ends ------------------------------------------------------------------------------------ */

void task_say(struct task *task, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(task->why, sizeof(task->why), format, args);
	va_end(args);
}

void task_succeed(struct task *task, const char *format, ...)
{
	struct stepca *ca = task->ca;
	char text[CA_WHY_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ca->error[0] = '\0';
	authority_served(&ca->member);
	if (task->job)
		ca->host->job_done(task->job, HC_OK, "%s", text);
	task_free(task);
}

/* When the certificate in place ends; 0: there is none. */
static int64_t end_of(const struct task *task)
{
	X509 *leaf = pair_leaf(&task->pair);
	int64_t from = 0, to = 0;

	if (leaf)
		chain_validity(leaf, &from, &to);
	return to;
}

/* The certificate in place may run out, so even what looks final is tried again, slowly. */
static int32_t delay_for(struct task *task, enum ca_verdict verdict, int64_t retry_after)
{
	const struct hc_host *host = task->ca->host;
	int64_t to = end_of(task), now = now_of(task);

	if (verdict == CA_RETRY)
		host->job_delay(task->job, retry_after > 0 ? retry_after : -1,
				to ? schedule_patience(to, now) : -1);
	else if (to)
		host->job_delay(task->job, schedule_reluctance(to, now), -1);
	else if (verdict == CA_DENIED)
		host->job_delay(task->job, 60000, -1);
	else
		return HC_FAILED;
	return HC_RETRY;
}

int32_t stepca_await(struct stepca *ca, int64_t to, const char *why, hc_job job)
{
	uint16_t random = 0;
	int64_t delay;

	RAND_bytes((unsigned char *)&random, sizeof(random));
	delay = schedule_absence(to, ca->host->now_wall(), random);
	ca->host->job_delay(job, delay, delay);
	authority_await(&ca->member, why);
	return HC_RETRY;
}

/* Nobody is there: not even a proxy that would say when to come again. */
static bool is_away(const struct task *task, enum ca_verdict verdict, int64_t retry_after)
{
	return verdict == CA_RETRY && task->away && retry_after == 0;
}

static int32_t task_delay(struct task *task, enum ca_verdict verdict, int64_t retry_after)
{
	if (is_away(task, verdict, retry_after))
		return stepca_await(task->ca, end_of(task), task->ca->error, task->job);
	return delay_for(task, verdict, retry_after);
}

void task_fail(struct task *task, enum ca_verdict verdict, int64_t retry_after)
{
	struct stepca *ca = task->ca;
	int32_t status;

	if (task->kind == TASK_CHECK)
		return check_fail(task);
	if (*task->earlier)
		snprintf(ca->error, sizeof(ca->error), "%s (before that: %s)", task->why,
			 task->earlier);
	else
		snprintf(ca->error, sizeof(ca->error), "%s", task->why);
	status = task->job ? task_delay(task, verdict, retry_after) : HC_RETRY;
	if (task->acme)
		acme_note_failure(ca, status, verdict == CA_RETRY ? retry_after : -1);
	if (task->job)
		ca->host->job_done(task->job, status, "%s", ca->error);
	else
		ca->host->log(ca->ctx, HC_LOG_WARNING, "%s", ca->error);
	task_free(task);
}

void task_fail_errno(struct task *task, int error, const char *format, ...)
{
	char what[512];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	task_say(task, "%s: %s", what, strerror(-error));
	task_fail(task, CA_RETRY, 0);
}

void task_note_failure(struct task *task)
{
	char before[CA_WHY_SIZE];

	memcpy(before, task->earlier, sizeof(before));
	snprintf(task->earlier, sizeof(task->earlier), "%.300s%s%.300s", before,
		 *before ? "; " : "", task->why);
	task->ca->host->log(task->ca->ctx, HC_LOG_INFO, "%s; trying another way", task->why);
}

void task_end(struct task *task, int32_t status, const char *text)
{
	task->ca->host->job_done(task->job, status, "%s", text);
	task_free(task);
}

/* -- requests -------------------------------------------------------------------------------- */

void task_send(struct task *task, struct http *http, const char *path, const char *body,
	       const char *bearer, http_fn fn)
{
	cleanup_free char *url = NULL;
	struct http_query query = {.post = body, .bearer = bearer};
	int r;

	if (asprintf(&url, "%s%s", task->ca->options.url, path) < 0) {
		url = NULL;
		return task_fail_errno(task, -ENOMEM, "cannot ask the CA");
	}
	snprintf(task->what, sizeof(task->what), "%s %s", body ? "POST" : "GET", url);
	query.url = url;
	query.timeout_ms = task->ca->options.request_timeout;
	r = http_send(http, &query, fn, task);
	if (r < 0)
		task_fail_errno(task, r, "%s", task->what);
}

enum ca_verdict task_judge(struct task *task, const struct http_reply *reply)
{
	assert(task->magic == TASK_MAGIC);
	task->away =
		reply->result == HTTP_UNREACHABLE || (reply->status >= 502 && reply->status <= 504);
	return ca_judge(reply, task->what, now_of(task), task->why);
}

struct http *task_client(struct task *task, bool mutual)
{
	struct http_tls tls = {.roots = task->trust};
	uint8_t roots[PEM_FINGERPRINT_LEN];
	struct http *http = NULL;

	if (mutual) {
		tls.cert = pair_leaf(&task->pair);
		tls.key = task->pair.key;
		tls.chain = task->pair.chain;
	} else if (roots_digest(task->ca->roots, roots) == 0) {
		tls.pool = authority_pool(&task->ca->member, roots);
	}
	if (http_create(task->ca->host, task->ca->ctx, &tls, &http) < 0)
		return NULL;
	return http;
}

/* -- a new key -------------------------------------------------------------------------------- */

struct key_work {
	enum key_type type;
	EVP_PKEY *key;
	task_fn then;
};

static int key_work_run(void *data)
{
	struct key_work *work = data;

	work->key = key_generate(work->type);
	return work->key ? 0 : -ENOMEM;
}

static void key_work_free(void *data)
{
	struct key_work *work = data;

	EVP_PKEY_free(work->key);
	free(work);
}

static void on_key(void *owner, void *data, int result)
{
	struct task *task = owner;
	struct key_work *work = data;

	assert(task->magic == TASK_MAGIC);
	task->work = NULL;
	if (result < 0)
		return task_fail_errno(task, result, "cannot make a key");
	task->key = steal(&work->key);
	work->then(task);
}

static void make_key_on_thread(struct task *task, task_fn then)
{
	struct key_work *work = calloc(1, sizeof(*work));
	struct work_task job = {key_work_run, key_work_free, work};
	int r = -ENOMEM;

	if (work) {
		work->type = task->ca->options.key_type;
		work->then = then;
		r = work_start(task->ca->host, task->ca->ctx, &task->ca->works, &job, on_key, task,
			       &task->work);
	}
	if (r < 0)
		task_fail_errno(task, r, "cannot make a key");
}

void task_make_key(struct task *task, task_fn then)
{
	task->key_new = true;
	if (key_type_slow(task->ca->options.key_type))
		return make_key_on_thread(task, then);
	task->key = key_generate(task->ca->options.key_type);
	if (!task->key)
		return task_fail_errno(task, -ENOMEM, "cannot make a key");
	then(task);
}
