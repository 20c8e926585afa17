#include "model/snapshot.h"

#include "model/snapshot_reading.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A certificate's time as the clock sees it. */
static int phase(const struct hc_cert *cert, int64_t now_ms)
{
	if (now_ms < cert->not_before)
		return -1;
	return now_ms < cert->not_after ? 0 : 1;
}

/* The certificate whose dates decide; NULL: none does. */
static const struct hc_cert *leaf(const struct snapshot *s)
{
	const struct hc_file *file = snapshot_role(s, "cert");

	return file && file->n_certs > 0 ? hc_file_cert(file, 0) : NULL;
}

static bool is_known_file(const struct part *part, const struct hc_file *file)
{
	return part->err == 0 && strcmp(part->role, file->role) == 0 &&
	       strcmp(part->path, file->path) == 0 && (part->st.st_mode & 07777) == file->mode &&
	       part->st.st_uid == file->uid && part->st.st_gid == file->gid &&
	       memcmp(part->sha256, file->sha256, sizeof(file->sha256)) == 0;
}

/*
 * Whether judging the files would say again what previous says. A file that could not be read has a
 * digest of zeros, so it is always judged anew.
 */
static bool is_known(const struct reading *r, const struct snapshot *previous)
{
	const struct hc_cert *cert = leaf(previous);

	if (r->error || r->n == 0 || r->n != previous->pub.n_files)
		return false;
	if (r->password_stamp != previous->password_stamp ||
	    (r->watch->key_password_file && previous->pub.state == HC_STATE_BROKEN))
		return false;
	if (cert && phase(cert, r->now_ms) != phase(cert, previous->judged_ms))
		return false;
	for (size_t i = 0; i < r->n; i++)
		if (!is_known_file(&r->parts[i], hc_snapshot_file(&previous->pub, (uint32_t)i)))
			return false;
	return true;
}

static bool files_equal(const struct hc_file *a, const struct hc_file *b)
{
	return a->state == b->state && strcmp(a->role, b->role) == 0 &&
	       strcmp(a->path, b->path) == 0 && strcmp(a->error, b->error) == 0 &&
	       a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0;
}

static bool snapshots_equal(const struct hc_snapshot *a, const struct hc_snapshot *b)
{
	if (a->state != b->state || a->n_files != b->n_files || strcmp(a->error, b->error) != 0)
		return false;
	for (uint32_t i = 0; i < a->n_files; i++)
		if (!files_equal(hc_snapshot_file(a, i), hc_snapshot_file(b, i)))
			return false;
	return true;
}

static int judge(struct reading *r, uint64_t generation, const struct snapshot *previous,
		 struct snapshot **ret_snapshot)
{
	struct snapshot *s;
	int e = reading_judge(r);

	if (e == 0)
		e = reading_build(r, generation, &s);
	if (e != 0)
		return e;
	if (previous && snapshots_equal(&s->pub, &previous->pub)) {
		snapshot_unref(s);
		return SNAPSHOT_SAME;
	}
	*ret_snapshot = s;
	return 0;
}

int snapshot_read(const struct config_watch *watch, uint64_t generation, int64_t now_ms,
		  const struct snapshot *previous, struct snapshot **ret_snapshot)
{
	struct reading r = {.watch = watch, .now_ms = now_ms};
	int e = reading_collect(&r);

	if (e == 0) {
		if (previous && is_known(&r, previous))
			e = SNAPSHOT_SAME;
		else
			e = judge(&r, generation, previous, ret_snapshot);
	}
	reading_finish(&r);
	return e;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	if (s)
		s->refs++;
	return s;
}

struct snapshot *snapshot_unref(struct snapshot *s)
{
	if (!s)
		return NULL;
	assert(s->refs > 0);
	if (--s->refs == 0)
		free(s);
	return NULL;
}

const struct hc_file *snapshot_role(const struct snapshot *s, const char *role)
{
	for (uint32_t i = 0; i < s->pub.n_files; i++) {
		const struct hc_file *file = hc_snapshot_file(&s->pub, i);

		if (strcmp(file->role, role) == 0)
			return file;
	}
	return NULL;
}

int64_t snapshot_next_change(const struct snapshot *s, int64_t now_ms)
{
	const struct hc_cert *cert = leaf(s);

	if (!cert)
		return INT64_MAX;
	if (now_ms < cert->not_before)
		return cert->not_before;
	return now_ms < cert->not_after ? cert->not_after : INT64_MAX;
}

int64_t snapshot_not_after(const struct snapshot *s)
{
	const struct hc_cert *cert = leaf(s);
	int64_t first = cert ? cert->not_after : INT64_MAX;

	if (snapshot_role(s, "cert"))
		return first;
	for (uint32_t i = 0; i < s->pub.n_files; i++) {
		const struct hc_file *file = hc_snapshot_file(&s->pub, i);

		if (file->n_certs > 0 && hc_file_cert(file, 0)->not_after < first)
			first = hc_file_cert(file, 0)->not_after;
	}
	return first;
}
