/*
 * stepca/names - subject alternative names, as people write them and as certificates hold them
 */
#ifndef HC_STEPCA_NAMES_H
#define HC_STEPCA_NAMES_H

#include <openssl/x509v3.h>
#include <stdbool.h>

enum name_type { NAME_DNS, NAME_IP, NAME_EMAIL, NAME_URI };

/*
 * Tells what a name is: by its prefix "dns:", "ip:", "email:" or "uri:", else an IP address, what
 * has a scheme is a URI, what has an "@" an e-mail address, all else a DNS name, perhaps with a
 * wildcard (RFC 5280 section 4.2.1.6). *ret_value points into text, behind the prefix. False: it is
 * none of them.
 */
bool name_classify(const char *text, enum name_type *ret_type, const char **ret_value);

/*
 * The names of a NULL-terminated list as X.509 wants them; DNS names in lower case. -EINVAL: one is
 * none, *ret_bad points to it; -ENOMEM. Free with GENERAL_NAMES_free().
 */
int names_build(const char *const *list, GENERAL_NAMES **ret, const char **ret_bad);

/* A name without its prefix; NULL: out of memory. Free with free(3). */
char *name_text(const GENERAL_NAME *name);

/* The first of the names that the certificate does not carry, or NULL. */
const GENERAL_NAME *names_missing(const GENERAL_NAMES *names, const X509 *cert);

#endif
