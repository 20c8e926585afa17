#include "stepca/chain.h"

#include "common/mem.h"
#include "common/pem.h"
#include "common/text.h"
#include "stepca/names.h"

#include <ctype.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <string.h>

static bool check_key(X509 *leaf, EVP_PKEY *key, char *why, size_t size)
{
	if (X509_check_private_key(leaf, key) == 1)
		return true;
	ERR_clear_error();
	snprintf(why, size, "the CA's certificate is for another key than ours");
	return false;
}

static bool check_names(const X509 *leaf, const GENERAL_NAMES *names, char *why, size_t size)
{
	const GENERAL_NAME *missing = names_missing(names, leaf);
	cleanup_free char *text = missing ? name_text(missing) : NULL;

	if (!missing)
		return true;
	snprintf(why, size,
		 "the CA's certificate lacks the name %s; check the provisioner's template",
		 text ? text : "?");
	return false;
}

static bool check_dates(const X509 *leaf, int64_t now_ms, char *why, size_t size)
{
	char text[TEXT_TIME_SIZE];
	int64_t from, to;

	chain_validity(leaf, &from, &to);
	if (now_ms >= from && now_ms < to)
		return true;
	snprintf(why, size, "the CA's certificate %s %s; compare the clocks",
		 now_ms < from ? "is not valid before" : "has expired on",
		 text_time(now_ms < from ? from : to, text));
	return false;
}

/* Every certificate issued by the next, the last by one of the roots. */
static bool check_path(X509 *leaf, const STACK_OF(X509) * chain, X509_STORE *roots, int64_t now_ms,
		       char *why, size_t size)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = false;

	snprintf(why, size, "out of memory");
	if (ctx && X509_STORE_CTX_init(ctx, roots, leaf, (STACK_OF(X509) *)chain) == 1) {
		X509_STORE_CTX_set_time(ctx, 0, (time_t)(now_ms / 1000));
		ok = X509_verify_cert(ctx) == 1;
		if (!ok)
			snprintf(why, size,
				 "the CA's chain of %d certificates does not lead to a root we "
				 "trust: %s",
				 sk_X509_num(chain),
				 X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

bool chain_check(const STACK_OF(X509) * chain, const struct chain_demand *demand, char *why,
		 size_t size)
{
	X509 *leaf = sk_X509_value(chain, 0);

	return check_key(leaf, demand->key, why, size) &&
	       (!demand->names || check_names(leaf, demand->names, why, size)) &&
	       check_dates(leaf, demand->now_ms, why, size) &&
	       check_path(leaf, chain, demand->roots, demand->now_ms, why, size);
}

void chain_validity(const X509 *cert, int64_t *ret_not_before, int64_t *ret_not_after)
{
	*ret_not_before = pem_time(X509_get0_notBefore(cert));
	*ret_not_after = pem_time(X509_get0_notAfter(cert));
}

const char *chain_serial(const X509 *cert, char *ret, size_t size)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;

	snprintf(ret, size, "%s", hex ? hex : "?");
	for (char *c = ret; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	OPENSSL_free(hex);
	BN_free(number);
	return ret;
}
