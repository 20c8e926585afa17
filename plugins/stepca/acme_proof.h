/*
 * stepca/acme_proof - what shows a CA that a name is ours: key authorizations and what is made of
 * them
 */
#ifndef HC_STEPCA_ACME_PROOF_H
#define HC_STEPCA_ACME_PROOF_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

/* TOKEN.THUMBPRINT (RFC 8555 section 8.1). NULL: out of memory. Free with free(3). */
char *acme_key_authorization(const char *token, const char *thumbprint);

/* The TXT record's value (section 8.4). NULL: out of memory. Free with free(3). */
char *acme_dns_value(const char *key_authorization);

/*
 * The server name under which a CA asks, in lower case: the DNS name, or an address under
 * in-addr.arpa or ip6.arpa (RFC 8738 section 6). NULL: no such address, or out of memory. Free
 * with free(3).
 */
char *acme_server_name(const char *name, bool is_ip);

/*
 * The self-signed certificate of tls-alpn-01 (RFC 8737 section 3) and its key, good for a day
 * around now. -EINVAL or -ENOMEM. Free with X509_free() and EVP_PKEY_free().
 */
int acme_proof_certificate(const char *name, bool is_ip, const char *key_authorization,
			   int64_t now_ms, X509 **ret_cert, EVP_PKEY **ret_key);

#endif
