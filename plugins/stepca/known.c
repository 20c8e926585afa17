#include "stepca/known.h"

#include "common/mem.h"
#include "common/text.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* A value of the state: this, then the certificate in DER. */
struct record {
	int64_t gone_at;
	uint32_t kind;
	uint32_t reserved;
};

enum { VALUE_MAX = 4096 };

enum { KEY_SIZE = sizeof("root-") + 20 };

static void key_of(size_t i, char ret[static KEY_SIZE])
{
	snprintf(ret, KEY_SIZE, "root-%zu", i);
}

/* -- the state ------------------------------------------------------------------------------- */

static bool same_anchor(const struct known *known, const uint8_t anchor[static PEM_FINGERPRINT_LEN])
{
	uint8_t kept[PEM_FINGERPRINT_LEN];
	int64_t len = known->host->state_get(known->ctx, "anchor", kept, sizeof(kept));

	return len == (int64_t)sizeof(kept) && memcmp(kept, anchor, sizeof(kept)) == 0;
}

/* One that cannot be read is as good as none. */
static void load_one(struct known *known, size_t i)
{
	uint8_t value[VALUE_MAX];
	const uint8_t *der = value + sizeof(struct record);
	struct record record;
	struct known_root *root = &known->root[known->n];
	char key[KEY_SIZE];
	int64_t len;

	key_of(i, key);
	len = known->host->state_get(known->ctx, key, value, sizeof(value));
	if (len <= (int64_t)sizeof(record) || len > (int64_t)sizeof(value))
		return;
	memcpy(&record, value, sizeof(record));
	root->cert = d2i_X509(NULL, &der, (long)(len - (int64_t)sizeof(record)));
	root->gone_at = record.gone_at;
	root->kind = record.kind <= KNOWN_FORMER ? (enum known_kind)record.kind : KNOWN_FORMER;
	if (root->cert)
		known->n++;
	ERR_clear_error();
}

static void become_former(struct known *known)
{
	for (size_t i = 0; i < known->n; i++) {
		known->root[i].kind = KNOWN_FORMER;
		if (!known->root[i].gone_at)
			known->root[i].gone_at = known->host->now_wall();
	}
}

void known_load(struct known *known, const uint8_t anchor[static PEM_FINGERPRINT_LEN])
{
	known_finish(known);
	for (size_t i = 0; i < KNOWN_MAX; i++)
		load_one(known, i);
	known->kept = same_anchor(known, anchor);
	if (!known->kept)
		become_former(known);
}

static int save_one(const struct known *known, size_t i)
{
	const struct known_root *root = &known->root[i];
	struct record record = {.gone_at = root->gone_at, .kind = root->kind};
	uint8_t value[VALUE_MAX], *der = value + sizeof(record);
	int len = i2d_X509(root->cert, NULL);
	char key[KEY_SIZE];

	if (len <= 0 || (size_t)len > sizeof(value) - sizeof(record))
		return -E2BIG;
	memcpy(value, &record, sizeof(record));
	i2d_X509(root->cert, &der);
	key_of(i, key);
	return known->host->state_set(known->ctx, key, value, sizeof(record) + (size_t)len);
}

/* What was there before goes first where it stands on another anchor: never a mixture of both. */
static int begin_saving(const struct known *known, const uint8_t anchor[static PEM_FINGERPRINT_LEN])
{
	int r = 0;

	for (size_t i = same_anchor(known, anchor) ? known->n : 0; r == 0 && i < KNOWN_MAX; i++) {
		char key[KEY_SIZE];

		key_of(i, key);
		if (known->host->state_get(known->ctx, key, NULL, 0) != -ENOENT)
			r = known->host->state_set(known->ctx, key, NULL, 0);
	}
	return r;
}

int known_save(struct known *known, const uint8_t anchor[static PEM_FINGERPRINT_LEN])
{
	int r = begin_saving(known, anchor);

	if (r == 0)
		r = known->host->state_set(known->ctx, "anchor", anchor, PEM_FINGERPRINT_LEN);
	for (size_t i = 0; i < known->n && r == 0; i++)
		r = save_one(known, i);
	known->kept = r == 0;
	return r;
}

void known_finish(struct known *known)
{
	for (size_t i = 0; i < known->n; i++)
		X509_free(known->root[i].cert);
	known->n = 0;
}

/* -- announcements ---------------------------------------------------------------------------- */

static bool fit_to_be_root(X509 *cert)
{
	bool fit = X509_check_ca(cert) > 0 && X509_self_signed(cert, 1) == 1;

	ERR_clear_error();
	return fit;
}

static struct known_root *find(struct known *known, const X509 *cert)
{
	for (size_t i = 0; i < known->n; i++)
		if (X509_cmp(known->root[i].cert, cert) == 0)
			return &known->root[i];
	return NULL;
}

static void say(const struct known *known, const X509 *cert, const char *what)
{
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];
	char hex[65];

	pem_fingerprint(cert, fingerprint);
	pem_format_fingerprint(fingerprint, hex);
	known->host->log(known->ctx, HC_LOG_NOTICE, "%s: %s", what, hex);
}

static bool add(struct known *known, X509 *cert, enum known_kind kind)
{
	if (!fit_to_be_root(cert))
		return false;
	if (known->n == KNOWN_MAX || X509_up_ref(cert) != 1) {
		say(known, cert, "there are too many roots; passed over");
		return false;
	}
	say(known, cert,
	    kind == KNOWN_FEDERATED ? "the CA's federation has a new root"
				    : "the CA announces a new root");
	known->root[known->n++] = (struct known_root){.cert = cert, .kind = kind};
	return true;
}

int known_add(struct known *known, X509 *cert)
{
	struct known_root *root = find(known, cert);

	if (root && root->kind == KNOWN_FORMER)
		*root = (struct known_root){.cert = root->cert};
	if (root || known->n == KNOWN_MAX)
		return 0;
	if (X509_up_ref(cert) != 1)
		return -ENOMEM;
	known->root[known->n++] = (struct known_root){.cert = cert};
	return 0;
}

/* A root that is the CA's own and the federation's counts as the CA's own. */
static bool take_in(struct known *known, X509 *cert, enum known_kind kind)
{
	struct known_root *root = find(known, cert);
	bool changed;

	if (!root)
		return add(known, cert, kind);
	if (kind == KNOWN_FEDERATED && root->kind == KNOWN_OWN)
		return false;
	changed = root->gone_at != 0 || root->kind != kind;
	root->gone_at = 0;
	root->kind = kind;
	return changed;
}

static bool miss(struct known *known, struct known_root *root, const STACK_OF(X509) * certs,
		 int64_t now)
{
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];

	pem_fingerprint(root->cert, fingerprint);
	if (pem_find_fingerprint(certs, fingerprint) || (root->gone_at && root->gone_at <= now))
		return false;
	if (!root->gone_at)
		say(known, root->cert, "the CA announces a root no more");
	root->gone_at = now; /* or the clock was set back: then it counts from now on */
	return true;
}

bool known_announced(struct known *known, const STACK_OF(X509) * certs, enum known_kind kind,
		     int64_t now)
{
	bool changed = false;

	for (int i = 0; i < sk_X509_num(certs); i++)
		changed |= take_in(known, sk_X509_value(certs, i), kind);
	for (size_t i = 0; i < known->n; i++)
		if (known->root[i].kind == kind)
			changed |= miss(known, &known->root[i], certs, now);
	return changed;
}

void known_remove(struct known *known, size_t i)
{
	say(known, known->root[i].cert, "its overlap is over, the root goes");
	X509_free(known->root[i].cert);
	known->n--;
	memmove(&known->root[i], &known->root[i + 1], (known->n - i) * sizeof(known->root[0]));
}
