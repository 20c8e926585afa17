/*
 * plugins/job - one try to bring a target in line, from its start to its one end
 *
 * A plugin knows a job by number only, so that job_done() called twice, late or never finds either
 * the job or nothing. The end is told to the owner from the loop, never from inside the plugin's
 * call.
 */
#ifndef HC_PLUGINS_JOB_H
#define HC_PLUGINS_JOB_H

#include "model/snapshot.h"
#include "platform/loop.h"

#include <hotcert/plugin.h>
#include <stdarg.h>

struct instance;
struct job;

/* How a job ended. Valid inside the callback. */
struct job_result {
	int32_t status;	  /* HC_OK, HC_SAME, HC_RETRY, HC_FAILED */
	const char *text; /* never NULL */
	int64_t min_ms;	  /* bounds of the next delay, -1: none */
	int64_t max_ms;
	int64_t took_us;
	const struct snapshot *snapshot; /* NULL for an action */
};

typedef void (*job_fn)(void *owner, const struct job_result *result);

/* Starts apply(): takes a reference of the snapshot. NULL: no memory; fn is not called then. */
struct job *job_apply(struct instance *instance, struct snapshot *snapshot, int64_t deadline_ms,
		      job_fn fn, void *owner);
/* Starts an action; argv need only live until this returns. */
struct job *job_action(struct instance *instance, const char *name, uint32_t argc,
		       const char *const *argv, int64_t deadline_ms, job_fn fn, void *owner);

/* Drops a job without a result: cancel() of the plugin is called, fn is not. Takes NULL. */
void job_cancel(struct job *job);

/* hc_host.job_done and job_delay. */
void job_done(hc_job id, int32_t status, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
void job_delay(hc_job id, int64_t min_ms, int64_t max_ms);

/* Frees the table of jobs, which must be empty. */
void jobs_finish(void);

#endif
