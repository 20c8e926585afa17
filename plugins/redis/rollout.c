#include "redis/rollout.h"

#include "common/mem.h"

#include <stdarg.h>
#include <string.h>

#define TEXT_SIZE 2048

static void run_next(struct rollout *r);

static void finish(struct rollout *r, int32_t status, const char *text)
{
	r->running = false;
	r->fn(r->data, status, text);
}

/* Appends to a text of TEXT_SIZE; what does not fit is cut. */
static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, TEXT_SIZE - used, format, args);
	va_end(args);
}

static void append_names(char *text, const char *what, struct target *const *targets, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		append(text, "%s%s", i == 0 ? what : ", ", target_name(targets[i]));
}

/* Which one failed, which are done, which were left alone. */
static void fail(struct rollout *r, int32_t status, const char *why)
{
	uint32_t failed = r->next - 1;
	char text[TEXT_SIZE] = "";

	append(text, "%s: %s", target_name(r->targets[failed]), why);
	append_names(text, "; done: ", r->targets, failed);
	append_names(text, "; not tried: ", r->targets + r->next, r->n - r->next);
	finish(r, status, text);
}

static void succeed(struct rollout *r, const char *last)
{
	char text[TEXT_SIZE] = "", served[64];

	if (r->n == 1) {
		finish(r, HC_OK, last);
		return;
	}
	wanted_chain_format(&r->wanted->chain, served, sizeof(served));
	append(text, "all %u serve %s", r->n, served);
	finish(r, HC_OK, text);
}

static void report(struct rollout *r)
{
	cleanup_free char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f) {
		finish(r, HC_FAILED, "out of memory");
		return;
	}
	for (uint32_t i = 0; i < r->n; i++)
		fprintf(f, "%s%s\n%s", i ? "\n" : "", target_name(r->targets[i]),
			target_report(r->targets[i]));
	fclose(f);
	finish(r, r->status, text ? text : "");
}

static void on_target(void *data, int32_t status, const char *text)
{
	struct rollout *r = data;

	if (status > r->status)
		r->status = status;
	if (status != HC_OK && !r->dry)
		fail(r, status, text);
	else if (r->next < r->n)
		run_next(r);
	else if (r->dry)
		report(r);
	else
		succeed(r, text);
}

static void run_next(struct rollout *r)
{
	struct target *t = r->targets[r->next++];

	target_run(t, r->wanted, r->dry, on_target, r);
}

void rollout_start(struct rollout *r, const struct wanted *wanted, bool dry, rollout_fn fn,
		   void *data)
{
	r->running = true;
	r->next = 0;
	r->dry = dry;
	r->status = HC_OK;
	r->wanted = wanted;
	r->fn = fn;
	r->data = data;
	run_next(r);
}

void rollout_cancel(struct rollout *r)
{
	if (!r->running)
		return;
	r->running = false;
	target_cancel(r->targets[r->next - 1]);
}
