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

static void copy_chain(const struct hc_file *cert, struct tls_chain *ret)
{
	for (uint32_t i = 0; i < cert->n_certs && i < TLS_CHAIN_MAX; i++)
		memcpy(ret->sha256[ret->n++], hc_file_cert(cert, i)->sha256, 32);
	ret->not_after = hc_file_cert(cert, 0)->not_after;
}

static int copy_files(struct wanted *w, const struct hc_file *cert, const struct hc_file *key,
		      const struct hc_file *ca)
{
	w->cert_path = strdup(cert->path);
	w->key_path = strdup(key->path);
	w->ca_path = ca ? strdup(ca->path) : NULL;
	if (!w->cert_path || !w->key_path || (ca && !w->ca_path))
		return -ENOMEM;
	memcpy(w->key_sha256, key->sha256, 32);
	if (ca)
		memcpy(w->ca_sha256, ca->sha256, 32);
	w->key_mode = key->mode;
	w->key_uid = key->uid;
	copy_chain(cert, &w->chain);
	w->pem = malloc(cert->data_len + 1);
	if (!w->pem)
		return -ENOMEM;
	memcpy(w->pem, cert->data, cert->data_len);
	w->pem_len = cert->data_len;
	return 0;
}

int wanted_create(const struct hc_snapshot *snapshot, struct wanted **ret_wanted,
		  const char **ret_why)
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
	r = copy_files(w, cert, key, wanted_file(snapshot, "ca"));
	if (r < 0) {
		wanted_destroy(w);
		return r;
	}
	*ret_wanted = w;
	return 0;
}

void wanted_destroy(struct wanted *w)
{
	if (!w)
		return;
	free(w->cert_path);
	free(w->key_path);
	free(w->ca_path);
	free(w->pem);
	free(w);
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
