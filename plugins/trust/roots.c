#include "trust/roots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "common/pem.h"

struct reading {
	const struct roots_rules *rules;
	const struct hc_file *file;
	struct roots_view *view;
	bool failed;
};

const struct root *roots_find(const struct roots *roots, const uint8_t fingerprint[32])
{
	for (size_t i = 0; i < roots->n; i++)
		if (memcmp(roots->list[i].fingerprint, fingerprint, 32) == 0)
			return &roots->list[i];
	return NULL;
}

static bool is_listed(const struct roots_rules *rules, const uint8_t fingerprint[32])
{
	for (size_t i = 0; i < rules->n_fingerprints; i++)
		if (memcmp(rules->fingerprints[i], fingerprint, 32) == 0)
			return true;
	return !rules->fingerprints;
}

static const char *at_date(char *buf, size_t size, const char *what, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char date[32] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(buf, size, "%s %s", what, date);
	return buf;
}

/* Why a certificate may not be installed, or NULL. */
static const char *refusal(const struct roots_rules *rules, const struct hc_cert *cert, char *buf,
			   size_t size)
{
	char hex[65];

	if (!cert->is_ca)
		return "is no CA certificate";
	if (!cert->self_signed)
		return "is not self-signed: an intermediate belongs beside the certificate that it "
		       "issued";
	if (rules->now < cert->not_before)
		return at_date(buf, size, "is not valid before", cert->not_before);
	if (rules->now >= cert->not_after)
		return at_date(buf, size, "expired on", cert->not_after);
	if (is_listed(rules, cert->sha256))
		return NULL;
	name_hex(cert->sha256, 32, hex);
	snprintf(buf, size, "has the fingerprint %s, which `fingerprints` does not list", hex);
	return buf;
}

static int root_add(struct roots *roots, const struct hc_cert *cert, const uint8_t *der, size_t len)
{
	struct root *list = realloc(roots->list, (roots->n + 1) * sizeof(*list));
	struct root *root;

	if (!list)
		return -ENOMEM;
	roots->list = list;
	root = &list[roots->n];
	*root = (struct root){.subject = strdup(cert->subject), .pem = pem_from_der(der, len)};
	roots->n++;
	if (!root->subject || !root->pem)
		return -ENOMEM;
	memcpy(root->fingerprint, cert->sha256, 32);
	name_label(cert->subject, root->label);
	return 0;
}

/* What the host found out about the certificate with this fingerprint. */
static const struct hc_cert *cert_of(const struct hc_file *file, const uint8_t fingerprint[32])
{
	for (uint32_t i = 0; i < file->n_certs; i++)
		if (memcmp(hc_file_cert(file, i)->sha256, fingerprint, 32) == 0)
			return hc_file_cert(file, i);
	return NULL;
}

static void take_certificate(void *data, const uint8_t *der, size_t len,
			     const uint8_t fingerprint[32])
{
	struct reading *r = data;
	const struct hc_cert *cert = cert_of(r->file, fingerprint);
	const char *why;
	char buf[160];

	if (!cert || roots_find(&r->view->roots, fingerprint))
		return;
	why = refusal(r->rules, cert, buf, sizeof(buf));
	if (why) {
		r->view->n_refused++;
		r->rules->refused(r->rules->data, cert, why);
	} else if (root_add(&r->view->roots, cert, der, len) < 0) {
		r->failed = true;
	}
}

static void take_file(struct reading *r, const struct hc_file *file)
{
	r->view->n_files++;
	if (file->state == HC_STATE_MISSING) {
		r->view->missing = file->path;
	} else if (file->state == HC_STATE_BROKEN) {
		r->view->broken = file->path;
		r->view->broken_why = file->error;
	} else {
		r->file = file;
		if (pem_each((const char *)file->data, file->data_len, take_certificate, r) < 0)
			r->failed = true;
	}
}

int roots_read(const struct hc_snapshot *snapshot, const struct roots_rules *rules,
	       struct roots_view *ret)
{
	struct roots_view view = {0};
	struct reading r = {.rules = rules, .view = &view};

	for (uint32_t i = 0; i < snapshot->n_files; i++) {
		const struct hc_file *file = hc_snapshot_file(snapshot, i);

		if (strcmp(file->role, "ca") == 0 || *file->role == '\0')
			take_file(&r, file);
	}
	if (r.failed) {
		roots_finish(&view.roots);
		return -ENOMEM;
	}
	view.complete = view.n_files > 0 && !view.missing && !view.broken;
	*ret = view;
	return 0;
}

void roots_finish(struct roots *roots)
{
	for (size_t i = 0; i < roots->n; i++) {
		free(roots->list[i].subject);
		free(roots->list[i].pem);
	}
	free(roots->list);
	*roots = (struct roots){0};
}
