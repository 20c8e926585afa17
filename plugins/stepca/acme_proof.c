#include "stepca/acme_proof.h"

#include "common/mem.h"
#include "stepca/b64.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#define SHA256_LEN 32

char *acme_key_authorization(const char *token, const char *thumbprint)
{
	char *text;

	return asprintf(&text, "%s.%s", token, thumbprint) < 0 ? NULL : text;
}

static bool digest(const char *text, uint8_t ret[static SHA256_LEN])
{
	return EVP_Q_digest(NULL, "SHA256", NULL, text, strlen(text), ret, NULL) == 1;
}

char *acme_dns_value(const char *key_authorization)
{
	uint8_t sha256[SHA256_LEN];

	return digest(key_authorization, sha256) ? b64url_encode(sha256, sizeof(sha256)) : NULL;
}

/* -- server names ---------------------------------------------------------------------------- */

/* RFC 1035 section 3.5 */
static char *reverse_v4(const uint8_t ip[static 4])
{
	char *text;

	return asprintf(&text, "%u.%u.%u.%u.in-addr.arpa", ip[3], ip[2], ip[1], ip[0]) < 0 ? NULL
											   : text;
}

/* RFC 3596 section 2.5 */
static char *reverse_v6(const uint8_t ip[static 16])
{
	char text[16 * 4 + sizeof("ip6.arpa")];
	size_t len = 0;

	for (int i = 15; i >= 0; i--)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%x.%x.", ip[i] & 15,
					ip[i] >> 4);
	snprintf(text + len, sizeof(text) - len, "ip6.arpa");
	return strdup(text);
}

char *acme_server_name(const char *name, bool is_ip)
{
	uint8_t ip[16];
	char *text;

	if (is_ip && inet_pton(AF_INET, name, ip) == 1)
		return reverse_v4(ip);
	if (is_ip)
		return inet_pton(AF_INET6, name, ip) == 1 ? reverse_v6(ip) : NULL;
	text = strdup(name);
	for (char *c = text; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return text;
}

/* -- the certificate of tls-alpn-01 ---------------------------------------------------------- */

static bool add_name(X509 *cert, const char *name, bool is_ip)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *one =
		a2i_GENERAL_NAME(NULL, NULL, NULL, is_ip ? GEN_IPADD : GEN_DNS, name, 0);
	bool ok = false;

	if (names && one && sk_GENERAL_NAME_push(names, one) > 0) {
		one = NULL;
		ok = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
	}
	GENERAL_NAME_free(one);
	GENERAL_NAMES_free(names);
	return ok;
}

/* id-pe-acmeIdentifier, critical: an OCTET STRING of the digest. */
static bool add_identifier(X509 *cert, const char *key_authorization)
{
	uint8_t der[2 + SHA256_LEN] = {V_ASN1_OCTET_STRING, SHA256_LEN};
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension = NULL;
	bool ok = false;

	if (oid && value && digest(key_authorization, der + 2) &&
	    ASN1_OCTET_STRING_set(value, der, sizeof(der)) == 1)
		extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
	if (extension)
		ok = X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(oid);
	return ok;
}

static bool fill_in(X509 *cert, EVP_PKEY *key, int64_t now_ms)
{
	X509_NAME *name = X509_get_subject_name(cert);
	time_t now = (time_t)(now_ms / 1000);
	uint64_t serial = 0;

	return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
	       X509_set_version(cert, 2) == 1 &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1 | 1) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)"ACME challenge", -1, -1,
					  0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1 &&
	       X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, &now) &&
	       X509_time_adj_ex(X509_getm_notAfter(cert), 1, 0, &now) &&
	       X509_set_pubkey(cert, key) == 1;
}

int acme_proof_certificate(const char *name, bool is_ip, const char *key_authorization,
			   int64_t now_ms, X509 **ret_cert, EVP_PKEY **ret_key)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();

	if (key && cert && fill_in(cert, key, now_ms) && add_name(cert, name, is_ip) &&
	    add_identifier(cert, key_authorization) && X509_sign(cert, key, EVP_sha256()) > 0) {
		*ret_cert = cert;
		*ret_key = key;
		return 0;
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return cert && key ? -EINVAL : -ENOMEM;
}
