#include "model/snapshot_reading.h"

#include "base/fs.h"
#include "base/str.h"
#include "model/certificate.h"
#include "model/pem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	WHY_SIZE = 512,
	PASSWORD_MAX = 4096,
};

/* Sets a part's state, with an error that names its file. */
static int verdict(struct part *part, int32_t state, const char *why)
{
	part->state = state;
	part->error = str_format("%s: %s", part->path, why);
	return part->error ? 0 : -ENOMEM;
}

static void explain_denied(const struct part *part, char *why)
{
	unsigned user = (unsigned)geteuid();
	struct stat st;

	if (stat(part->path, &st) == 0)
		snprintf(why, WHY_SIZE,
			 "cannot be read by user %u: it belongs to %u:%u and has mode %04o; let "
			 "that user read it, for instance with setfacl -m u:%u:r",
			 user, (unsigned)st.st_uid, (unsigned)st.st_gid,
			 (unsigned)(st.st_mode & 07777), user);
	else
		snprintf(why, WHY_SIZE,
			 "cannot be reached by user %u: a directory on its path may not be "
			 "searched; give that user x on it",
			 user);
}

static int judge_unreadable(struct part *part)
{
	char why[WHY_SIZE];

	switch (-part->err) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
		snprintf(why, sizeof(why), "%s; waiting for it", strerror(-part->err));
		return verdict(part, HC_STATE_MISSING, why);
	case EAGAIN:
		return verdict(part, HC_STATE_BROKEN,
			       "changes while it is read; waiting for its end");
	case EINVAL:
		return verdict(part, HC_STATE_BROKEN,
			       "is not a regular file; put one in its place");
	case EFBIG:
		return verdict(part, HC_STATE_BROKEN,
			       "is larger than 1 MiB; no certificate file is, check its name");
	case EACCES:
		explain_denied(part, why);
		return verdict(part, HC_STATE_BROKEN, why);
	default:
		snprintf(why, sizeof(why), "cannot be read (%s)", strerror(-part->err));
		return verdict(part, HC_STATE_BROKEN, why);
	}
}

static int judge_dates(struct part *part, int64_t now_ms)
{
	int64_t from;
	int64_t to;
	time_t when;
	struct tm tm;
	char date[32];
	char why[WHY_SIZE];

	if (certificate_validity(part->certs[0], &from, &to) < 0 || (now_ms >= from && now_ms < to))
		return 0;
	when = (time_t)((now_ms < from ? from : to) / 1000);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&when, &tm));
	snprintf(why, sizeof(why),
		 now_ms < from ? "is not valid before %s; waiting for it, check the clock"
			       : "has expired on %s; renew it",
		 date);
	return verdict(part, HC_STATE_EXPIRED, why);
}

/* 0: certs are set, or the part has its verdict. */
static int parse(struct part *part)
{
	char why[WHY_SIZE];
	int e = certificate_parse(part->data, part->len, &part->certs, &part->n_certs, why,
				  sizeof(why));

	return e == 1 ? verdict(part, HC_STATE_BROKEN, why) : e;
}

static int judge_cert(struct part *part, int64_t now_ms)
{
	char why[WHY_SIZE];
	int e = parse(part);

	if (e < 0 || part->state != HC_STATE_WHOLE)
		return e;
	if (certificate_check_order(part->certs, part->n_certs, why, sizeof(why)) != 0)
		return verdict(part, HC_STATE_BROKEN, why);
	return judge_dates(part, now_ms);
}

/* Reads a passphrase, white space at its end removed. Free with fs_wipe_free(). */
static int read_password(const char *path, char **ret_password, size_t *ret_len)
{
	struct stat st;
	char *text;
	size_t len;
	int e = fs_read(path, PASSWORD_MAX, &text, &len, &st);

	if (e < 0)
		return e;
	for (size_t n = len; n > 0 && strchr(" \t\r\n", text[n - 1]); n--)
		text[n - 1] = '\0';
	*ret_password = text;
	*ret_len = len;
	return 0;
}

static bool is_encrypted(const struct part *part)
{
	struct pem_block block;

	return pem_find_key(part->data, part->len, &block) == PEM_NEXT_BLOCK &&
	       pem_is_encrypted(&block);
}

static int judge_key(struct part *part, X509 *leaf, const char *password_file)
{
	char *password = NULL;
	size_t password_len = 0;
	char why[WHY_SIZE];
	int e = 0;

	if (password_file && is_encrypted(part))
		e = read_password(password_file, &password, &password_len);
	if (e < 0) {
		snprintf(why, sizeof(why),
			 "is encrypted and its key_password_file %s cannot be read: %s",
			 password_file, strerror(-e));
		return verdict(part, HC_STATE_BROKEN, why);
	}
	e = certificate_check_key(leaf, part->data, part->len, password, why, sizeof(why));
	fs_wipe_free(password, password_len);
	return e ? verdict(part, HC_STATE_BROKEN, why) : 0;
}

/* Whether the bytes are meant to be certificates: some are, or something is torn. */
static bool is_about_certificates(const struct part *part)
{
	const char *pos = part->data;
	struct pem_block block;
	enum pem_next next;

	do
		next = pem_next(&pos, part->data + part->len, &block);
	while (next == PEM_NEXT_BLOCK && !pem_is_certificate(&block));
	return next != PEM_NEXT_END || part->len == 0 || certificate_is_der(part->data, part->len);
}

static X509 *find_leaf(const struct reading *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->parts[i].role, "cert") == 0 && r->parts[i].n_certs > 0)
			return r->parts[i].certs[0];
	return NULL;
}

/* list_roles() puts cert before key, so the leaf is known when the key's turn comes. */
static int judge_part(const struct reading *r, struct part *part)
{
	if (part->err != 0)
		return judge_unreadable(part);
	if (strcmp(part->role, "cert") == 0)
		return judge_cert(part, r->now_ms);
	if (strcmp(part->role, "key") == 0)
		return judge_key(part, find_leaf(r), r->watch->key_password_file);
	if (strcmp(part->role, "ca") == 0 || is_about_certificates(part))
		return parse(part);
	return 0;
}

static int badness(int32_t state)
{
	switch (state) {
	case HC_STATE_WHOLE:
		return 0;
	case HC_STATE_EXPIRED:
		return 1;
	case HC_STATE_MISSING:
		return 2;
	default:
		return 3;
	}
}

int reading_judge(struct reading *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct part *part = &r->parts[i];
		int e = judge_part(r, part);

		if (e < 0)
			return e;
		if (badness(part->state) > badness(r->state))
			r->state = part->state;
	}
	return 0;
}
