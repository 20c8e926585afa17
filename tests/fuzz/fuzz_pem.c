/*
 * Feeds any bytes to all that reads PEM files.
 *
 *	tests/fuzz/make-pem-corpus CORPUS
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Icore -Icore/include
 *		tests/fuzz/fuzz_pem.c core/model/pem.c core/model/certificate*.c core/base/str.c
 *		-lcrypto -o fuzz_pem && ./fuzz_pem CORPUS
 */
#include "model/certificate.h"
#include "model/pem.h"

#include <assert.h>
#include <openssl/err.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a certificate is said to be: each text ends, and there are as many as were promised. */
static void describe(X509 *cert)
{
	struct str texts = {0};
	struct hc_cert info = {0};
	uint32_t n = certificate_add_texts(cert, &texts);
	uint32_t ends = 0;

	for (size_t i = 0; i < texts.len; i++)
		ends += texts.data[i] == '\0';
	assert(ends == 3 + n + 1); /* subject, issuer, serial, SANs, the empty one */
	certificate_describe(cert, &info);
	str_finish(&texts);
}

static void check(const char *why, int r)
{
	assert(r == 0 || r == 1);
	assert(r == 0 || (why[0] && !strchr(why, '\n')));
	assert(ERR_peek_error() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *pem = (const char *)data;
	X509 **certs = NULL;
	size_t n = 0;
	char why[256] = "";
	int r = certificate_parse(pem, size, &certs, &n, why, sizeof(why));

	check(why, r);
	assert((r == 0) == (n > 0));
	for (size_t i = 0; i < n; i++)
		describe(certs[i]);
	check(why, n ? certificate_check_order(certs, n, why, sizeof(why)) : 0);
	check(why, certificate_check_key(n ? certs[0] : NULL, pem, size, NULL, why, sizeof(why)));
	certificate_is_der(pem, size);
	assert(ERR_peek_error() == 0);
	certificate_free_all(certs, n);
	return 0;
}
