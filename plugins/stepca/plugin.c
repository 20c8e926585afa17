/*
 * stepca - obtains and renews a certificate from a step-ca server
 *
 * This file is the plugin's border: apply() decides (plan.c), tasks do (task.c, roots.c, renew.c,
 * enrol.c, publish.c, check.c, revoke.c).
 */
#include "common/mem.h"
#include "common/text.h"
#include "stepca/plan.h"
#include "stepca/stepca.h"
#include "stepca/task.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void on_alarm(void *data)
{
	struct stepca *ca = data;

	assert(ca->magic == STEPCA_MAGIC);
	ca->host->request(ca->ctx);
}

static void stepca_destroy(void *instance)
{
	struct stepca *ca = instance;

	assert(ca->magic == STEPCA_MAGIC);
	task_cancel(ca);
	authority_leave(&ca->member);
	work_join_all(&ca->works);
	acme_finish(ca);
	ca->host->alarm_remove(ca->alarm);
	sk_X509_pop_free(ca->roots, X509_free);
	known_finish(&ca->known);
	store_finish(&ca->store);
	options_finish(&ca->options);
	ca->magic = 0;
	free(ca);
}

static int32_t stepca_create(const struct hc_host *host, hc_ctx *ctx, void **ret_instance)
{
	struct stepca *ca = calloc(1, sizeof(*ca));
	int r;

	if (!ca)
		return -ENOMEM;
	ca->magic = STEPCA_MAGIC;
	ca->host = host;
	ca->ctx = ctx;
	ca->known.host = host;
	ca->known.ctx = ctx;
	ca->store.host = host;
	ca->store.ctx = ctx;
	ca->store.options = &ca->options;
	r = options_init(&ca->options, host, ctx);
	if (r == 0)
		r = authority_join(&ca->member, host, ctx, ca->options.url);
	if (r < 0) {
		stepca_destroy(ca);
		return r;
	}
	*ret_instance = ca;
	return 0;
}

/* The serial number of the certificate in place, or "". */
static const char *serial_of(const struct hc_snapshot *snapshot)
{
	const struct hc_file *cert = plan_role(snapshot, "cert");

	return cert && cert->n_certs > 0 ? hc_file_cert(cert, 0)->serial : "";
}

/* True where a person changed the names or the key type since the last enrolment. */
static bool asked_anew(const struct stepca *ca)
{
	uint8_t before[sizeof(ca->options.asked)];
	int64_t len = ca->host->state_get(ca->ctx, "asked", before, sizeof(before));

	return len == (int64_t)sizeof(before) &&
	       memcmp(before, ca->options.asked, sizeof(before)) != 0;
}

static void take_note(struct stepca *ca, const struct plan *plan)
{
	ca->not_after = plan->leaf ? plan->leaf->not_after : 0;
	ca->due_at = plan->due_at;
	snprintf(ca->serial, sizeof(ca->serial), "%s", plan->leaf ? plan->leaf->serial : "");
}

static int set_alarm(struct stepca *ca, int64_t at)
{
	if (ca->alarm)
		ca->host->alarm_set(ca->alarm, at);
	else
		ca->alarm = ca->host->alarm_add(ca->ctx, at, on_alarm, ca);
	return ca->alarm ? 0 : -ENOMEM;
}

/* All is well: until when? Also a look at the CA's roots, once after the start. */
static int rest(struct stepca *ca, const struct plan *plan, hc_job job)
{
	char until[TEXT_TIME_SIZE], due[TEXT_TIME_SIZE];

	if (set_alarm(ca, plan->due_at) < 0)
		return -ENOMEM;
	ca->host->job_done(job, HC_SAME, "valid until %s, renews at %s",
			   text_time(ca->not_after, until), text_time(plan->due_at, due));
	if (!ca->roots_asked && ca->options.update_roots && !authority_away(&ca->member))
		task_start(ca, TASK_ROOTS, 0);
	return 0;
}

static int wait_for_validity(struct stepca *ca, const struct plan *plan, hc_job job)
{
	char from[TEXT_TIME_SIZE];
	int64_t wait = plan->due_at - ca->host->now_wall();

	ca->host->job_delay(job, wait < 3600000 ? wait : 3600000, -1);
	ca->host->job_done(job, HC_RETRY,
			   "the certificate is not valid before %s; is this host's clock right?",
			   text_time(plan->due_at, from));
	return 0;
}

/* Somebody has found out already that nobody is there, and looks out. */
static void wait_for_ca(struct stepca *ca, const struct plan *plan, hc_job job)
{
	int64_t to = plan->leaf ? plan->leaf->not_after : 0;
	char why[sizeof(ca->error)];

	snprintf(why, sizeof(why), "%s", authority_away(&ca->member));
	ca->host->job_done(job, stepca_await(ca, to, NULL, job), "%s", why);
}

/* Many want something of the CA: this one is called in time, and until then keeps no place. */
static void wait_for_turn(struct stepca *ca, const struct plan *plan, hc_job job)
{
	bool well = plan->leaf && plan->leaf->not_after > ca->host->now_wall();

	authority_wait_outside(&ca->member);
	ca->host->job_delay(job, 60000, -1);
	ca->host->job_done(job, well ? HC_SAME : HC_RETRY,
			   "waits for its turn at %s: `parallel` others are before it",
			   ca->options.url);
}

/* True where the job has ended, because the CA can't be asked right now. */
static bool must_wait(struct stepca *ca, const struct plan *plan, hc_job job)
{
	if (authority_is_crowded(&ca->member))
		wait_for_turn(ca, plan, job);
	else if (!authority_may_ask(&ca->member))
		wait_for_ca(ca, plan, job);
	else
		return false;
	return true;
}

static int act(struct stepca *ca, const struct plan *plan, hc_job job)
{
	if (plan->need != PLAN_NOTHING && plan->need != PLAN_WAIT && must_wait(ca, plan, job))
		return 0;
	switch (plan->need) {
	case PLAN_NOTHING:
		return rest(ca, plan, job);
	case PLAN_WAIT:
		return wait_for_validity(ca, plan, job);
	case PLAN_ROOTS:
		task_start(ca, TASK_ROOTS, job);
		break;
	case PLAN_RENEW:
		task_start(ca, TASK_RENEW, job);
		break;
	case PLAN_ENROL:
		if (!acme_too_early(ca, ca->generation, job))
			task_start(ca, TASK_ENROL, job);
		break;
	}
	return 0;
}

/* Ends the job where the files cannot be what the watch says. */
static void refuse_paths(struct stepca *ca, const struct hc_snapshot *snapshot, int error,
			 const char *bad, hc_job job)
{
	if (error == -EINVAL)
		ca->host->job_done(job, HC_FAILED,
				   "[watch %s] needs cert = and key = for stepca to write",
				   snapshot->watch);
	else if (error == -EXDEV)
		ca->host->job_done(job, HC_FAILED,
				   "%s is a link that leads out of %s, and stepca does not write "
				   "there; put a file in its place, or let the watch name the file "
				   "itself",
				   bad, snapshot->directory);
	else
		ca->host->job_done(job, HC_RETRY, "cannot find out where %s leads: %s",
				   bad ? bad : snapshot->directory, strerror(-error));
}

/* 0: go on; 1: the job has ended, or a negative errno. */
static int take_paths(struct stepca *ca, const struct hc_snapshot *snapshot, hc_job job)
{
	const char *bad = NULL;
	int r = store_set_paths(&ca->store, snapshot, &bad);

	if (r < 0) {
		store_finish(&ca->store);
		refuse_paths(ca, snapshot, r, bad, job);
		return 1;
	}
	r = store_roll_forward(&ca->store);
	if (r > 0)
		ca->host->job_done(job, HC_OK,
				   "an interrupted change of key was brought to its end");
	return r;
}

static int32_t stepca_apply(void *instance, const struct hc_snapshot *snapshot, hc_job job)
{
	struct stepca *ca = instance;
	struct plan_facts facts;
	struct plan plan;
	int r;

	assert(ca->magic == STEPCA_MAGIC);
	task_cancel(ca); /* one that nobody waits for */
	acme_tidy(ca);
	r = take_paths(ca, snapshot, job);
	if (r != 0)
		return r < 0 ? r : 0;
	facts = (struct plan_facts){
		.schedule = &ca->options.schedule,
		.now = ca->host->now_wall(),
		.issued_at = ca->issued_at,
		.asked_anew = asked_anew(ca) || stepca_revoked(ca, serial_of(snapshot)),
	};
	plan = plan_make(snapshot, &facts);
	ca->generation = snapshot->generation;
	take_note(ca, &plan);
	return act(ca, &plan, job);
}

static void stepca_cancel(void *instance, hc_job job)
{
	struct stepca *ca = instance;

	assert(ca->magic == STEPCA_MAGIC);
	if (ca->task && ca->task->job == job)
		task_cancel(ca);
}

/* revoke [REASON] */
static void begin_revoking(struct stepca *ca, uint32_t argc, const char *const *argv, hc_job job)
{
	int reason = argc > 0 ? ca_reason_code(argv[0]) : 0;

	if (reason < 0 || argc > 1)
		ca->host->job_done(job, HC_FAILED,
				   "\"%s\" is no reason; give one of RFC 5280, as keyCompromise, "
				   "superseded or cessationOfOperation",
				   argv[argc - 1]);
	else
		task_start_revoking(ca, reason, job);
}

static int32_t stepca_action(void *instance, const char *name, uint32_t argc,
			     const char *const *argv, hc_job job)
{
	struct stepca *ca = instance;

	assert(ca->magic == STEPCA_MAGIC);
	if (!ca->store.cert) {
		ca->host->job_done(job, HC_RETRY, "the directory was not read yet; try again");
		return 0;
	}
	task_cancel(ca);
	if (strcmp(name, "revoke") == 0)
		begin_revoking(ca, argc, argv, job);
	else
		task_start_by_hand(ca, strcmp(name, "check") == 0 ? TASK_CHECK : TASK_RENEW, job);
	return 0;
}

static void stepca_status(void *instance)
{
	const struct stepca *ca = instance;
	char text[TEXT_TIME_SIZE];

	assert(ca->magic == STEPCA_MAGIC);
	ca->host->status_add(ca->ctx, "url", "%s", ca->options.url);
	if (ca->options.provisioner)
		ca->host->status_add(ca->ctx, "provisioner", "%s", ca->options.provisioner);
	if (ca->options.acme.challenge != ACME_NONE)
		ca->host->status_add(ca->ctx, "challenge", "%s", ca->options.acme.challenge_name);
	if (*ca->serial)
		ca->host->status_add(ca->ctx, "serial", "%s", ca->serial);
	if (ca->not_after)
		ca->host->status_add(ca->ctx, "valid until", "%s", text_time(ca->not_after, text));
	if (ca->due_at)
		ca->host->status_add(ca->ctx, "renews at", "%s", text_time(ca->due_at, text));
	if (*ca->error)
		ca->host->status_add(ca->ctx, "last error", "%s", ca->error);
}

static const struct hc_action actions[] = {
	{"renew", NULL, "renew the certificate now, or get one where there is none"},
	{"check", NULL, "tell whether a certificate could be got, without asking for one"},
	{"revoke", "[REASON]", "revoke the certificate and get one with a new key in its place"},
};

HC_PLUGIN_DEFINE(.name = "stepca", .version = HC_VERSION,
		 .summary = "obtains and renews a certificate from a step-ca server",
		 .flags = HC_PLUGIN_WANTS_INCOMPLETE, .timeout_ms = 120000,
		 .options = options_table, .n_options = N_OPTIONS,
		 .option_size = sizeof(options_table[0]), HC_ACTIONS(actions),
		 .create = stepca_create, .destroy = stepca_destroy, .apply = stepca_apply,
		 .cancel = stepca_cancel, .action = stepca_action, .status = stepca_status);
