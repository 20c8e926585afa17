#include "redis/wanted.h"

#include "common/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

const struct hc_file *wanted_file(const struct hc_snapshot *snapshot, const char *role)
{
	for (uint32_t i = 0; i < snapshot->n_files; i++) {
		const struct hc_file *file = hc_snapshot_file(snapshot, i);

		if (strcmp(file->role, role) == 0)
			return file;
	}
	return NULL;
}

static void take_dates(const struct hc_cert *cert, struct wanted_dates *dates, bool first)
{
	if (first || cert->not_before > dates->not_before)
		dates->not_before = cert->not_before;
	if (!first && cert->not_after >= dates->not_after)
		return;
	dates->not_after = cert->not_after;
	snprintf(dates->subject, sizeof(dates->subject), "%s", cert->subject);
}

static void copy_dates(const struct hc_file *file, struct wanted_dates *ret)
{
	for (uint32_t i = 0; i < file->n_certs; i++)
		take_dates(hc_file_cert(file, i), ret, i == 0);
}

static void copy_chain(const struct hc_file *cert, struct wanted *w)
{
	for (uint32_t i = 0; i < cert->n_certs && i < TLS_CHAIN_MAX; i++)
		memcpy(w->chain.sha256[w->chain.n++], hc_file_cert(cert, i)->sha256, 32);
	w->chain.not_before = hc_file_cert(cert, 0)->not_before;
	w->chain.not_after = hc_file_cert(cert, 0)->not_after;
	copy_dates(cert, &w->chain_dates);
}

static int copy_path(const struct hc_file *file, const struct path_map *map,
		     struct wanted_path *ret)
{
	ret->ours = strdup(file->path);
	ret->theirs = path_map_apply(map, file->path);
	return ret->ours && ret->theirs ? 0 : -ENOMEM;
}

static int copy_pem(struct wanted *w, const struct hc_file *cert)
{
	w->pem = malloc(cert->data_len + 1);
	if (!w->pem)
		return -ENOMEM;
	memcpy(w->pem, cert->data, cert->data_len);
	w->pem_len = cert->data_len;
	return 0;
}

static int copy_files(struct wanted *w, const struct hc_file *cert, const struct hc_file *key,
		      const struct hc_file *ca, const struct path_map *map)
{
	if (copy_path(cert, map, &w->cert) < 0 || copy_path(key, map, &w->key) < 0 ||
	    (ca && copy_path(ca, map, &w->ca) < 0))
		return -ENOMEM;
	memcpy(w->key_sha256, key->sha256, 32);
	w->key_mode = key->mode;
	w->key_uid = key->uid;
	copy_chain(cert, w);
	if (ca) {
		memcpy(w->ca_sha256, ca->sha256, 32);
		copy_dates(ca, &w->ca_dates);
	}
	return copy_pem(w, cert);
}

int wanted_create(const struct hc_snapshot *snapshot, const struct path_map *map,
		  struct wanted **ret_wanted, const char **ret_why)
{
	const struct hc_file *cert = wanted_file(snapshot, "cert");
	const struct hc_file *key = wanted_file(snapshot, "key");
	struct wanted *w;
	int r;

	*ret_why = "the watch has no pair: give it the keys cert and key";
	if (!cert || !key || cert->n_certs == 0 || !cert->data)
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	r = copy_files(w, cert, key, wanted_file(snapshot, "ca"), map);
	if (r < 0) {
		wanted_destroy(w);
		return r;
	}
	*ret_wanted = w;
	return 0;
}

static void finish_path(struct wanted_path *path)
{
	free(path->ours);
	free(path->theirs);
}

void wanted_destroy(struct wanted *w)
{
	if (!w)
		return;
	finish_path(&w->cert);
	finish_path(&w->key);
	finish_path(&w->ca);
	free(w->pem);
	free(w);
}

bool wanted_equal(const struct wanted *a, const struct wanted *b)
{
	return a->pem_len == b->pem_len && memcmp(a->pem, b->pem, a->pem_len) == 0 &&
	       memcmp(a->key_sha256, b->key_sha256, 32) == 0 &&
	       memcmp(a->ca_sha256, b->ca_sha256, 32) == 0 && a->key_mode == b->key_mode &&
	       a->key_uid == b->key_uid;
}

int wanted_check(const struct wanted *w, SSL_CTX *context, const char *name, char *why,
		 size_t why_size)
{
	BIO *bio = BIO_new_mem_buf(w->pem, (int)w->pem_len);
	STACK_OF(X509) *issuers = sk_X509_new_null();
	X509 *leaf = NULL, *x;
	int r = -ENOMEM;

	if (bio && issuers)
		leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	while (leaf && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		if (!sk_X509_push(issuers, x))
			X509_free(x);
	if (leaf)
		r = tls_check_chain(context, leaf, issuers, name, why, why_size);
	ERR_clear_error();
	X509_free(leaf);
	sk_X509_pop_free(issuers, X509_free);
	BIO_free(bio);
	return r;
}

bool wanted_is_served(const struct wanted *w, const struct tls_chain *served)
{
	if (w->chain.n == 1)
		return served->n > 0 && memcmp(served->sha256, w->chain.sha256, 32) == 0;
	return served->n == w->chain.n &&
	       memcmp(served->sha256, w->chain.sha256, (size_t)served->n * 32) == 0;
}

void wanted_chain_format(const struct tls_chain *chain, char *buf, size_t size)
{
	const uint8_t *h = chain->sha256[0];
	char until[32];

	if (chain->n == 0) {
		snprintf(buf, size, "no certificate");
		return;
	}
	tls_time_format(chain->not_after, until, sizeof(until));
	snprintf(buf, size, "%02x%02x%02x%02x… until %s", h[0], h[1], h[2], h[3], until);
}
