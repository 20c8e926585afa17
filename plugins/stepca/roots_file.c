/*
 * The `ca` file: roots are added to it and taken out of it, and what else is in it stays as it is
 */
#include "common/mem.h"
#include "stepca/roots.h"

#include <errno.h>
#include <string.h>

static bool contains(const STACK_OF(X509) * certs, const X509 *cert)
{
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];

	pem_fingerprint(cert, fingerprint);
	return certs && pem_find_fingerprint(certs, fingerprint);
}

/* -- taking out -----------------------------------------------------------------------------------
 */

/* The end of the PEM block that begins at text, its newline included; NULL: it has none. */
static char *block_end(char *text)
{
	static const char mark[] = "-----END CERTIFICATE-----";
	char *end = strstr(text, mark);

	if (!end)
		return NULL;
	end += strlen(mark);
	return end + strspn(end, "\r\n");
}

static bool block_is_of(const char *text, size_t len, const STACK_OF(X509) * certs)
{
	cleanup_certs STACK_OF(X509) *one = NULL;

	return pem_parse_certs(text, len, &one) == 1 && contains(certs, sk_X509_value(one, 0));
}

/* Cuts the blocks of these certificates out of a text, in place. Returns how many. */
static int cut(char *text, const STACK_OF(X509) * certs)
{
	char *end;
	int n = 0;

	while ((text = strstr(text, "-----BEGIN CERTIFICATE-----")) && (end = block_end(text))) {
		if (block_is_of(text, (size_t)(end - text), certs)) {
			memmove(text, end, strlen(end) + 1);
			n++;
		} else {
			text = end;
		}
	}
	return n;
}

/* -- adding
 * ------------------------------------------------------------------------------------------ */

/* Those of certs that are not in `there` (may be NULL). NULL: out of memory. */
static STACK_OF(X509) * missing_in(const STACK_OF(X509) * there, const STACK_OF(X509) * certs)
{
	STACK_OF(X509) *missing = sk_X509_new_null();

	for (int i = 0; missing && i < sk_X509_num(certs); i++)
		if (!contains(there, sk_X509_value(certs, i)) &&
		    roots_add(missing, sk_X509_value(certs, i)) < 0) {
			sk_X509_pop_free(missing, X509_free);
			return NULL;
		}
	return missing;
}

static char *join(const char *text, const STACK_OF(X509) * missing)
{
	cleanup_free char *pem = pem_from_certs(missing);
	size_t len = strlen(text);
	const char *gap = len > 0 && text[len - 1] != '\n' ? "\n" : "";
	char *all;

	return pem && asprintf(&all, "%s%s%s", text, gap, pem) >= 0 ? all : NULL;
}

/* A text that is torn has nothing in it that is worth keeping. */
static char *read_text(const char *path, STACK_OF(X509) * *ret_certs)
{
	size_t len = 0;
	cleanup_free char *text = file_read(path, &len);

	if (!text)
		return errno == ENOENT ? strdup("") : NULL;
	if (strlen(text) != len || pem_parse_certs(text, len, ret_certs) < 0)
		text[0] = '\0';
	return steal(&text);
}

int roots_file_update(const struct store *store, const STACK_OF(X509) * wanted,
		      const STACK_OF(X509) * unwanted)
{
	cleanup_certs STACK_OF(X509) *there = NULL, *missing = NULL;
	cleanup_free char *text = NULL, *all = NULL;
	int n_cut;

	if (!store->ca || sk_X509_num(wanted) == 0)
		return 0;
	text = read_text(store->ca, &there);
	if (!text)
		return -errno;
	missing = missing_in(there, wanted);
	if (!missing)
		return -ENOMEM;
	n_cut = cut(text, unwanted);
	if (n_cut == 0 && sk_X509_num(missing) == 0)
		return 0;
	all = join(text, missing);
	return all ? store_write_ca(store, all, strlen(all)) : -ENOMEM;
}
