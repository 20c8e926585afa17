/*
 * Roots whose overlap is over: which of them may go
 */
#include "stepca/roots.h"

#include <openssl/err.h>

static bool is_over(const struct stepca *ca, const struct known_root *root)
{
	return root->gone_at && ca->host->now_wall() - root->gone_at >= ca->options.overlap;
}

/* Whether the certificate in place leads to a root other than this one. */
static bool leaf_stands_without(const struct task *task, size_t without)
{
	const struct known *known = &task->ca->known;
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool stands = false;

	for (size_t i = 0; store && i < known->n; i++)
		if (i != without && known->root[i].kind == KNOWN_OWN)
			X509_STORE_add_cert(store, known->root[i].cert);
	if (store && ctx &&
	    X509_STORE_CTX_init(ctx, store, pair_leaf(&task->pair), task->pair.chain) == 1) {
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
		stands = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return stands;
}

/* Never the last one, nor one that is in use. */
static bool may_go(const struct task *task, size_t i)
{
	const struct known *known = &task->ca->known;
	bool another = false;

	for (size_t j = 0; j < known->n; j++)
		another |= j != i && known->root[j].kind == KNOWN_OWN && !known->root[j].gone_at;
	if (known->root[i].kind == KNOWN_FEDERATED)
		return true;
	return another && (!task->pair.chain || leaf_stands_without(task, i));
}

int roots_retire(struct task *task, STACK_OF(X509) * unwanted)
{
	struct known *known = &task->ca->known;
	int r = 0;

	for (size_t i = known->n; i-- > 0 && r == 0;) {
		if (!is_over(task->ca, &known->root[i]) || !may_go(task, i))
			continue;
		r = roots_add(unwanted, known->root[i].cert);
		if (r == 0)
			known_remove(known, i);
	}
	return r;
}
