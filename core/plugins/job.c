#include "plugins/job.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/table.h"
#include "plugins/host.h"
#include "plugins/instance.h"

#include <assert.h>
#include <string.h>

#define JOB_MAGIC 0x686a6f62u /* "hjob" */

struct job {
	unsigned magic;
	struct table_entry entry; /* by id */
	hc_job id;
	struct instance *instance;
	struct snapshot *snapshot; /* NULL for an action */
	struct loop_timer *deadline;
	int64_t deadline_ms;
	int64_t start_us;
	int64_t end_us;
	struct loop_task deliver;
	bool done;
	int32_t status;
	char *text;
	int64_t min_ms;
	int64_t max_ms;
	job_fn fn;
	void *owner;
};

static struct table jobs;
static hc_job last_id;

static struct job *job_find(hc_job id)
{
	struct table_entry *e = table_first(&jobs, table_hash_u64(id));

	return e ? container_of(e, struct job, entry) : NULL;
}

static void job_free(struct job *job)
{
	loop_task_finish(&job->deliver);
	loop_timer_remove(job->deadline);
	snapshot_unref(job->snapshot);
	free(job->text);
	free(job);
}

/* From here on the number is unknown: what the plugin still says is not heard. */
static void job_forget(struct job *job)
{
	assert(job->magic == JOB_MAGIC);
	table_remove(&jobs, &job->entry);
	job->magic = 0;
}

static void job_end(struct job *job)
{
	struct job_result result = {.status = job->status,
				    .text = job->text ? job->text : "",
				    .min_ms = job->min_ms,
				    .max_ms = job->max_ms,
				    .took_us = job->end_us - job->start_us,
				    .snapshot = job->snapshot};

	job_forget(job);
	job->fn(job->owner, &result);
	job_free(job);
}

static void job_deliver(void *data)
{
	job_end(data);
}

static void job_set_text(struct job *job, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void job_set_text(struct job *job, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	free(job->text);
	job->text = host_format(format, args);
	va_end(args);
}

static void job_finish(struct job *job, int32_t status)
{
	job->done = true;
	job->status = status;
	job->end_us = loop_now_us();
	loop_timer_set(job->deadline, -1);
	loop_task_run(&job->deliver);
}

static void job_expire(void *data)
{
	struct job *job = data;

	instance_cancel(job->instance, job->id);
	if (job->done)
		return; /* cancel() said job_done(): that counts */
	job_set_text(job, "no result within %lld ms; cancelled", (long long)job->deadline_ms);
	job_finish(job, HC_RETRY);
}

static struct job *job_create(struct instance *instance, int64_t deadline_ms, job_fn fn,
			      void *owner)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->magic = JOB_MAGIC;
	job->id = ++last_id;
	job->entry.hash = table_hash_u64(job->id);
	job->instance = instance;
	job->deadline_ms = deadline_ms;
	job->start_us = loop_now_us();
	job->min_ms = job->max_ms = -1;
	job->fn = fn;
	job->owner = owner;
	loop_task_init(&job->deliver, host_loop(), job_deliver, job);
	job->deadline = loop_timer_add(host_loop(), deadline_ms, job_expire, job);
	if (!job->deadline || table_add(&jobs, &job->entry) < 0) {
		job_free(job);
		return NULL;
	}
	return job;
}

static void job_started(struct job *job, int r, const char *what)
{
	if (r >= 0 || job->done)
		return;
	job_set_text(job, "%s was refused by the plugin: %s", what, strerror(-r));
	job_finish(job, job->snapshot ? HC_RETRY : HC_FAILED);
}

struct job *job_apply(struct instance *instance, struct snapshot *snapshot, int64_t deadline_ms,
		      job_fn fn, void *owner)
{
	struct job *job = job_create(instance, deadline_ms, fn, owner);

	if (!job)
		return NULL;
	job->snapshot = snapshot_ref(snapshot);
	job_started(job, instance_apply(instance, &snapshot->pub, job->id), "apply");
	return job;
}

struct job *job_action(struct instance *instance, const char *name, uint32_t argc,
		       const char *const *argv, int64_t deadline_ms, job_fn fn, void *owner)
{
	struct job *job = job_create(instance, deadline_ms, fn, owner);

	if (job)
		job_started(job, instance_action(instance, name, argc, argv, job->id), name);
	return job;
}

void job_cancel(struct job *job)
{
	if (!job)
		return;
	if (!job->done)
		instance_cancel(job->instance, job->id);
	job_forget(job);
	job_free(job);
}

void job_done(hc_job id, int32_t status, const char *format, va_list args)
{
	struct job *job = job_find(id);

	if (!job || job->done) {
		log_debug("job %llu has ended already; its second end is ignored",
			  (unsigned long long)id);
		return;
	}
	free(job->text);
	job->text = host_format(format, args);
	job_finish(job,
		   status == HC_OK || status == HC_SAME || status == HC_RETRY ? status : HC_FAILED);
}

void job_delay(hc_job id, int64_t min_ms, int64_t max_ms)
{
	struct job *job = job_find(id);

	if (!job)
		return;
	if (min_ms >= 0)
		job->min_ms = min_ms;
	if (max_ms >= 0)
		job->max_ms = max_ms;
}

void jobs_finish(void)
{
	assert(!jobs.n);
	table_finish(&jobs);
}
