/*
 * stepca/acme_state - what an ACME client must not forget: its account, and an order under way
 */
#ifndef HC_STEPCA_ACME_STATE_H
#define HC_STEPCA_ACME_STATE_H

#include "stepca/stepca.h"

/* An account (RFC 8555 section 7.1.2). All members may be NULL. */
struct acme_account {
	EVP_PKEY *key;	 /* EC P-256, of the account alone */
	char *directory; /* where it was made */
	char *url;	 /* what the CA calls it; NULL: it has none yet */
	char *contact;	 /* that the CA knows, joined by commas */
};

/* -ENOENT: there is none. -EBADMSG: what is there can't be read; -ENOMEM. */
int acme_account_load(const struct stepca *ca, struct acme_account *ret);
int acme_account_save(const struct stepca *ca, const struct acme_account *account);
void acme_account_finish(struct acme_account *account); /* takes a zeroed one */

/* An order that has been made and has not come to its end. */
struct acme_saved {
	char *url; /* NULL: none */
	char *key; /* digest of the certificate's public key, see acme_key_digest() */
};

int acme_order_load(const struct stepca *ca, struct acme_saved *ret); /* -ENOENT, -ENOMEM */
int acme_order_save(const struct stepca *ca, const struct acme_saved *saved);
void acme_order_forget(const struct stepca *ca);
void acme_saved_finish(struct acme_saved *saved);

/* SHA-256 of a key's SubjectPublicKeyInfo in base64url. NULL: out of memory. */
char *acme_key_digest(const EVP_PKEY *key);

#endif
