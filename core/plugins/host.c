#include "plugins/host.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/state.h"
#include "plugins/job.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define SECRET_MAX 65536
#define SLOW_CALL_US 500000

static struct loop *the_loop;

int host_init(struct loop *loop)
{
	the_loop = loop;
	return host_post_init(loop);
}

void host_finish(void)
{
	host_post_finish();
	the_loop = NULL;
}

struct loop *host_loop(void)
{
	return the_loop;
}

/* ---- contexts ---- */

struct hc_ctx *host_ctx_create(const char *name, char *state_path, struct options *options)
{
	struct hc_ctx *ctx = calloc(1, sizeof(*ctx));

	if (ctx)
		ctx->name = strdup(name);
	if (!ctx || !ctx->name) {
		free(ctx);
		free(state_path);
		options_destroy(options);
		return NULL;
	}
	ctx->magic = HOST_CTX_MAGIC;
	ctx->refs = 1;
	ctx->state_path = state_path;
	ctx->options = options;
	list_init(&ctx->watchers);
	return ctx;
}

void host_ctx_unref(struct hc_ctx *ctx)
{
	if (--ctx->refs)
		return;
	options_destroy(ctx->options);
	free(ctx->state_path);
	free(ctx->name);
	ctx->magic = 0;
	free(ctx);
}

void host_ctx_destroy(struct hc_ctx *ctx)
{
	if (!ctx)
		return;
	assert(ctx->magic == HOST_CTX_MAGIC && !ctx->dead);
	host_watchers_remove(ctx);
	ctx->dead = true;
	host_ctx_unref(ctx);
}

struct host_call host_enter(const struct hc_ctx *ctx, const char *what)
{
	return (struct host_call){.ctx = ctx, .what = what, .start_us = loop_now_us()};
}

void host_leave(const struct host_call *call)
{
	int64_t took_us = loop_now_us() - call->start_us;

	if (took_us >= SLOW_CALL_US)
		log_warning("%s: its %s held up the daemon for %lld ms; a plugin must not block",
			    call->ctx->name, call->what, (long long)took_us / 1000);
}

/* ---- log ---- */

/* %n writes to memory: no plugin gets to do that through us. */
static bool format_is_safe(const char *f)
{
	while ((f = strchr(f, '%'))) {
		f++;
		f += strspn(f, "-+ #0'123456789*.$hlqjzt");
		if (*f == 'n')
			return false;
		if (*f)
			f++;
	}
	return true;
}

char *host_format(const char *format, va_list args)
{
	struct str text = {0};

	if (format_is_safe(format))
		str_addv(&text, format, args);
	else
		str_add(&text, format);
	return str_take(&text);
}

HC_PRINTF(3, 4)
static void host_log(hc_ctx *ctx, int32_t level, const char *format, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	if (level > log_level())
		return;
	va_start(args, format);
	text = host_format(format, args);
	va_end(args);
	log_msg(level < 3 ? 3 : level, "%s: %s", ctx->name, text ? text : "out of memory");
}

static const char *host_name(hc_ctx *ctx)
{
	return ctx->name;
}

/* ---- options ---- */

static const char *host_opt_string(hc_ctx *ctx, const char *key)
{
	return options_string(ctx->options, key);
}

static int64_t host_opt_int(hc_ctx *ctx, const char *key)
{
	return options_int(ctx->options, key);
}

static uint32_t host_opt_list(hc_ctx *ctx, const char *key, const char *const **ret)
{
	return options_list(ctx->options, key, ret);
}

static int32_t host_opt_is_set(hc_ctx *ctx, const char *key)
{
	return options_is_set(ctx->options, key);
}

HC_PRINTF(3, 4)
static void host_opt_error(hc_ctx *ctx, const char *key, const char *format, ...)
{
	cleanup_free char *where = options_where(ctx->options, key);
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, format);
	text = host_format(format, args);
	va_end(args);
	if (ctx->errors)
		errors_add(ctx->errors, "%s: %s", where ? where : key, text ? text : "");
	else
		log_error("%s: %s: %s", ctx->name, where ? where : key, text ? text : "");
}

static int64_t host_secret_read(hc_ctx *ctx, const char *key, char *buf, size_t size)
{
	const char *path = options_string(ctx->options, key);
	char *data = NULL;
	struct stat st;
	size_t len = 0, trimmed;
	int r;

	if (!path)
		return -ENOENT;
	r = fs_read(path, SECRET_MAX, &data, &len, &st);
	if (r < 0)
		return r;
	trimmed = len;
	while (trimmed && isspace((unsigned char)data[trimmed - 1]))
		trimmed--;
	if (trimmed < size) {
		memcpy(buf, data, trimmed);
		buf[trimmed] = '\0';
	}
	fs_wipe_free(data, len);
	return trimmed < size ? (int64_t)trimmed : -E2BIG;
}

/* ---- files and state ---- */

/* What the file that is there has wins over what is given, as the flags say. */
static void host_keep(uint32_t flags, struct fs_access *access)
{
	struct stat st;

	if (stat(access->like, &st) < 0)
		return;
	if (flags & (HC_REPLACE_KEEP | HC_REPLACE_KEEP_MODE)) {
		access->mode = st.st_mode & 07777;
		access->keep_acl = true;
	}
	if (flags & HC_REPLACE_KEEP)
		access->uid = access->gid = (uid_t)-1;
	if (!(flags & (HC_REPLACE_KEEP | HC_REPLACE_KEEP_OWNER)))
		return;
	if (access->uid == (uid_t)-1)
		access->uid = st.st_uid;
	if (access->gid == (gid_t)-1)
		access->gid = st.st_gid;
}

static int32_t host_replace(hc_ctx *ctx, const struct hc_replace *given)
{
	struct hc_replace rep = {0};
	struct fs_access access;

	(void)ctx;
	memcpy(&rep, given, given->size < sizeof(rep) ? given->size : sizeof(rep));
	if (!rep.path || rep.path[0] != '/')
		return -EINVAL;
	access = (struct fs_access){.mode = rep.mode, .uid = rep.uid, .gid = rep.gid};
	access.like = rep.like ? rep.like : rep.path;
	host_keep(rep.flags, &access);
	return fs_replace_as(rep.path, rep.data, rep.len, &access);
}

static int64_t host_state_get(hc_ctx *ctx, const char *key, void *buf, size_t size)
{
	return state_get(ctx->state_path, key, buf, size);
}

static int32_t host_state_set(hc_ctx *ctx, const char *key, const void *data, size_t len)
{
	return state_set(ctx->state_path, key, data, len);
}

/* ---- jobs and status ---- */

HC_PRINTF(3, 4)
static void host_job_done(hc_job job, int32_t status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	job_done(job, status, format, args);
	va_end(args);
}

static void host_request(hc_ctx *ctx)
{
	assert(ctx->magic == HOST_CTX_MAGIC);
	if (!ctx->dead && ctx->on_request)
		ctx->on_request(ctx->owner);
}

HC_PRINTF(3, 4)
static void host_status_add(hc_ctx *ctx, const char *key, const char *format, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	if (!ctx->status_fn)
		return;
	va_start(args, format);
	text = host_format(format, args);
	va_end(args);
	if (text)
		ctx->status_fn(ctx->status_user, key, text);
}

static const struct hc_host table = {
	.size = sizeof(struct hc_host),
	.abi_minor = HC_ABI_MINOR,
	.version = HC_VERSION,
	.log = host_log,
	.name = host_name,
	.opt_string = host_opt_string,
	.opt_int = host_opt_int,
	.opt_list = host_opt_list,
	.opt_is_set = host_opt_is_set,
	.opt_error = host_opt_error,
	.secret_read = host_secret_read,
	.now_wall = loop_now_wall,
	.now_mono = loop_now_mono,
	.io_add = host_io_add,
	.io_set = host_io_set,
	.io_remove = host_io_remove,
	.timer_add = host_timer_add,
	.timer_set = host_timer_set,
	.timer_remove = host_timer_remove,
	.alarm_add = host_alarm_add,
	.alarm_set = host_alarm_set,
	.alarm_remove = host_alarm_remove,
	.spawn = host_spawn,
	.child_kill = host_child_kill,
	.post_open = host_post_open,
	.post_send = host_post_send,
	.replace = host_replace,
	.state_get = host_state_get,
	.state_set = host_state_set,
	.job_done = host_job_done,
	.job_delay = job_delay,
	.request = host_request,
	.status_add = host_status_add,
};

const struct hc_host *host_table(void)
{
	return &table;
}
