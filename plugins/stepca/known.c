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
	uint32_t federated;
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
	root->federated = record.federated;
	if (root->cert)
		known->n++;
	ERR_clear_error();
}

int known_load(struct known *known, const uint8_t anchor[static PEM_FINGERPRINT_LEN])
{
	known_finish(known);
	if (!same_anchor(known, anchor))
		return 0;
	for (size_t i = 0; i < KNOWN_MAX; i++)
		load_one(known, i);
	return 0;
}

static int save_one(const struct known *known, size_t i)
{
	const struct known_root *root = &known->root[i];
	struct record record = {.gone_at = root->gone_at, .federated = root->federated};
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

int known_save(const struct known *known, const uint8_t anchor[static PEM_FINGERPRINT_LEN])
{
	int r = begin_saving(known, anchor);

	if (r == 0)
		r = known->host->state_set(known->ctx, "anchor", anchor, PEM_FINGERPRINT_LEN);
	for (size_t i = 0; i < known->n && r == 0; i++)
		r = save_one(known, i);
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

static bool add(struct known *known, X509 *cert, bool federated)
{
	if (!fit_to_be_root(cert))
		return false;
	if (known->n == KNOWN_MAX || X509_up_ref(cert) != 1) {
		say(known, cert, "there are too many roots; passed over");
		return false;
	}
	say(known, cert,
	    federated ? "the CA's federation has a new root" : "the CA announces a new root");
	known->root[known->n++] = (struct known_root){.cert = cert, .federated = federated};
	return true;
}

int known_add(struct known *known, X509 *cert)
{
	if (find(known, cert) || known->n == KNOWN_MAX)
		return 0;
	if (X509_up_ref(cert) != 1)
		return -ENOMEM;
	known->root[known->n++] = (struct known_root){.cert = cert};
	return 0;
}

/* A root that is the CA's own and the federation's counts as the CA's own. */
static bool take_in(struct known *known, X509 *cert, bool federated)
{
	struct known_root *root = find(known, cert);
	bool changed;

	if (!root)
		return add(known, cert, federated);
	if (federated && !root->federated)
		return false;
	changed = root->gone_at != 0 || root->federated != federated;
	root->gone_at = 0;
	root->federated = federated;
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

bool known_announced(struct known *known, const STACK_OF(X509) * certs, bool federated, int64_t now)
{
	bool changed = false;

	for (int i = 0; i < sk_X509_num(certs); i++)
		changed |= take_in(known, sk_X509_value(certs, i), federated);
	for (size_t i = 0; i < known->n; i++)
		if (known->root[i].federated == federated)
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
