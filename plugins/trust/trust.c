/*
 * trust - installs the roots of a watch where programs look for roots
 *
 * What is known between jobs is what the stores themselves say; the state keeps only since when a
 * root has been unwanted, and that a person has uninstalled all.
 */
#include <assert.h>
#include <errno.h>
#include <hotcert/plugin.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/pem.h"
#include "trust/trust.h"

#define OFF "uninstalled" /* state: there where a person has said uninstall */

/* ---- a snapshot ---------------------------------------------------------------------------------
 */

static void refused(void *data, const struct hc_cert *cert, const char *why)
{
	struct trust *t = data;

	if (fingerprints_has(&t->said, cert->sha256))
		return;
	fingerprints_add(&t->said, cert->sha256);
	t->host->log(t->ctx, HC_LOG_WARNING, "not installed: %s (serial %s) %s",
		     *cert->subject ? cert->subject : "a certificate without a name", cert->serial,
		     why);
}

static bool is_off(struct trust *t)
{
	return t->host->state_get(t->ctx, OFF, NULL, 0) != -ENOENT;
}

/* Ends a job that found no root: what is installed stays. */
static void nothing_wanted(struct trust *t, const struct hc_snapshot *snapshot,
			   const struct roots_view *view, hc_job job)
{
	const struct hc_host *host = t->host;

	if (view->n_files == 0 && snapshot->n_files > 0)
		host->job_done(job, HC_FAILED,
			       "[watch %s] has no `ca`: name the file with the roots",
			       snapshot->watch);
	else if (view->n_refused > 0)
		host->job_done(job, HC_FAILED,
			       "none of %zu certificates may be installed: the log says why",
			       view->n_refused);
	else if (view->broken)
		host->job_done(job, HC_FAILED, "%s: %s; what is installed stays", view->broken,
			       view->broken_why);
	else
		host->job_done(job, HC_SAME, "nothing to install yet: %s %s",
			       view->missing ? view->missing : snapshot->directory,
			       view->missing ? "is missing" : "holds no certificate");
}

static int32_t trust_apply(void *instance, const struct hc_snapshot *snapshot, hc_job job)
{
	struct trust *t = instance;
	struct roots_rules rules = {
		.fingerprints = (const uint8_t(*)[32])t->allowed.list,
		.n_fingerprints = t->allowed.n,
		.now = t->host->now_wall(),
		.refused = refused,
		.data = t,
	};
	struct roots_view view;

	assert(t->magic == TRUST_MAGIC);
	if (t->busy)
		return -EBUSY;
	if (roots_read(snapshot, &rules, &view) < 0)
		return -ENOMEM;
	if (view.roots.n == 0 && !is_off(t)) {
		nothing_wanted(t, snapshot, &view, job);
		return 0;
	}
	roots_finish(&t->roots);
	t->roots = view.roots;
	t->complete = view.complete;
	work_start(t, is_off(t), job);
	return 0;
}

static void trust_cancel(void *instance, hc_job job)
{
	struct trust *t = instance;

	assert(t->magic == TRUST_MAGIC);
	if (t->busy && t->job == job)
		work_cancel(t);
}

static int32_t set_off(struct trust *t, bool off)
{
	if (off == is_off(t))
		return 0;
	return t->host->state_set(t->ctx, OFF, "1", off ? 1 : 0);
}

static int32_t trust_action(void *instance, const char *name, uint32_t argc,
			    const char *const *argv, hc_job job)
{
	struct trust *t = instance;
	bool off = strcmp(name, "uninstall") == 0;
	int32_t r;

	(void)argv;
	assert(t->magic == TRUST_MAGIC);
	if (argc > 0)
		return -EINVAL;
	if (t->busy)
		return -EBUSY;
	r = set_off(t, off); /* first: a crash in the middle is then finished by the next start */
	if (r < 0)
		return r;
	if (off || t->roots.n > 0) {
		work_start(t, off, job);
	} else {
		t->host->request(t->ctx);
		t->host->job_done(job, HC_OK, "there was no root to install yet");
	}
	return 0;
}

static void trust_status(void *instance)
{
	struct trust *t = instance;

	assert(t->magic == TRUST_MAGIC);
	for (size_t i = 0; i < t->n_stores; i++) {
		const struct tally *tally = &t->stores[i]->tally;
		time_t next = (time_t)(tally->next / 1000);
		char when[64] = "";
		struct tm tm;

		if (tally->next != INT64_MAX && gmtime_r(&next, &tm))
			strftime(when, sizeof(when), ", the first on %Y-%m-%dT%H:%M:%SZ", &tm);
		t->host->status_add(t->ctx, t->stores[i]->spec,
				    "%zu installed, %zu there from others, %zu to be removed%s",
				    tally->ours, tally->present, tally->waiting, when);
	}
	if (is_off(t))
		t->host->status_add(t->ctx, "uninstalled",
				    "by hand; `hotcertctl do %s install` installs again",
				    t->host->name(t->ctx));
}

/* ---- an instance --------------------------------------------------------------------------------
 */

static void alarm_fired(void *data)
{
	struct trust *t = data;

	assert(t->magic == TRUST_MAGIC);
	t->host->request(t->ctx);
}

static int parse_fingerprints(struct trust *t)
{
	const char *const *words;
	uint32_t n = t->host->opt_list(t->ctx, "fingerprints", &words);
	uint8_t fingerprint[32];
	int r = 0;

	if (n == 0 && t->host->opt_is_set(t->ctx, "fingerprints")) {
		t->host->opt_error(t->ctx, "fingerprints",
				   "is empty: remove the key to allow any root");
		return -EINVAL;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (pem_parse_fingerprint(words[i], fingerprint) == 0) {
			if (fingerprints_add(&t->allowed, fingerprint) < 0)
				return -ENOMEM;
			continue;
		}
		t->host->opt_error(t->ctx, "fingerprints",
				   "%s is no SHA-256: write the 64 hex digits that `step "
				   "certificate fingerprint` prints",
				   words[i]);
		r = -EINVAL;
	}
	return r;
}

static int make_stores(struct trust *t)
{
	const char *const *words;
	uint32_t n = t->host->opt_list(t->ctx, "stores", &words);
	const char *why;
	int r, worst = 0;

	t->stores = calloc(n ? n : 1, sizeof(*t->stores));
	if (!t->stores)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		r = store_create(&t->env, words[i], &t->stores[t->n_stores], &why);
		if (r == 0) {
			t->n_stores++;
			continue;
		}
		if (r == -EINVAL)
			t->host->opt_error(t->ctx, "stores", "%s %s", words[i], why);
		worst = r;
	}
	return worst;
}

static void trust_destroy(void *instance)
{
	struct trust *t = instance;

	work_cancel(t);
	for (size_t i = 0; i < t->n_stores; i++)
		t->stores[i]->type->destroy(t->stores[i]);
	free(t->stores);
	t->host->alarm_remove(t->alarm);
	roots_finish(&t->roots);
	fingerprints_finish(&t->allowed);
	fingerprints_finish(&t->said);
	t->magic = 0;
	free(t);
}

static int32_t trust_create(const struct hc_host *host, hc_ctx *ctx, void **ret_instance)
{
	struct trust *t = calloc(1, sizeof(*t));
	const char *sysroot = host->opt_string(ctx, "sysroot");
	int r, stores;

	if (!t)
		return -ENOMEM;
	t->magic = TRUST_MAGIC;
	t->host = host;
	t->ctx = ctx;
	t->env = (struct store_env){.host = host,
				    .ctx = ctx,
				    .sysroot = "",
				    .refreshed = work_store_refreshed,
				    .done = work_store_changed,
				    .data = t};
	if (sysroot && strcmp(sysroot, "/") != 0)
		t->env.sysroot = sysroot;
	name_instance(host->name(ctx), t->env.instance);
	t->overlap = host->opt_int(ctx, "overlap");
	r = parse_fingerprints(t);
	stores = make_stores(t);
	if (r == 0)
		r = stores;
	t->alarm = host->alarm_add(ctx, INT64_MAX, alarm_fired, t);
	if (r == 0 && !t->alarm)
		r = -ENOMEM;
	if (r < 0)
		trust_destroy(t);
	else
		*ret_instance = t;
	return r;
}

static const struct hc_option options[] = {
	{"stores", HC_OPT_LIST, 0, "system", NULL,
	 "where to install: system, bundle:/path/file.pem, directory:/path, java:/path/keystore, "
	 "nss:/path"},
	{"fingerprints", HC_OPT_LIST, 0, NULL, NULL,
	 "SHA-256 of the roots that may be installed; any where it is not given"},
	{"overlap", HC_OPT_DURATION, 0, "7d", NULL,
	 "how long a root stays installed that the watch no longer has"},
	{"java_password_file", HC_OPT_SECRET, 0, NULL, NULL,
	 "file with the password of the keystores; `changeit` where it is not given"},
	{"nss_password_file", HC_OPT_SECRET, 0, NULL, NULL,
	 "file with the password of the NSS databases, where they have one"},
	{"sysroot", HC_OPT_PATH, 0, NULL, NULL,
	 "directory with the system whose store is meant, for images and tests"},
};

static const struct hc_action actions[] = {
	{"uninstall", NULL, "take out all that this instance has installed, and install no more"},
	{"install", NULL, "install again after `uninstall`"},
};

HC_PLUGIN_DEFINE(.name = "trust", .version = HC_VERSION,
		 .summary = "installs root certificates where programs look for them",
		 .flags = HC_PLUGIN_WANTS_INCOMPLETE, .timeout_ms = 120000, HC_OPTIONS(options),
		 HC_ACTIONS(actions), .create = trust_create, .destroy = trust_destroy,
		 .apply = trust_apply, .cancel = trust_cancel, .action = trust_action,
		 .status = trust_status);
