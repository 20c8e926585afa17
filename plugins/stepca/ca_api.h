/*
 * stepca/ca_api - what step-ca's HTTP interface says: its replies read and judged
 *
 * Paths and bodies as in smallstep/certificates, package api, 0.19 to 0.30.
 */
#ifndef HC_STEPCA_CA_API_H
#define HC_STEPCA_CA_API_H

#include "common/http.h"
#include "common/pem.h"

#include <jansson.h>

enum ca_verdict {
	CA_DONE,    /* 200 or 201 */
	CA_RETRY,   /* may pass: unreachable, 408, 425, 429, 5xx, a reply that is no step-ca's */
	CA_DENIED,  /* 401: our token or certificate is not accepted; a fresh token may be */
	CA_REFUSED, /* asking again would not help: 400, 403, 404, 501, a peer we don't trust… */
};

#define CA_WHY_SIZE 768

/*
 * Judges a reply to `what` ("POST https://ca/1.0/sign"). Where it is not CA_DONE, why says in one
 * line what the CA said and what to do, and how far its clock is from ours where that is much.
 */
enum ca_verdict ca_judge(const struct http_reply *reply, const char *what, int64_t now_ms,
			 char why[static CA_WHY_SIZE]);

/* The text for a 2xx reply that the functions below can't read. */
void ca_explain_garbage(const struct http_reply *reply, const char *what,
			char why[static CA_WHY_SIZE]);

/*
 * The certificates of a reply: {"ca"}, {"crts"} or {"certChain"} with {"crt","ca"} behind it as
 * older versions send it. At least one. -EBADMSG: none; -ENOMEM. Free with
 * sk_X509_pop_free(…, X509_free).
 */
int ca_parse_root(const struct http_reply *reply, STACK_OF(X509) * *ret_certs);
int ca_parse_roots(const struct http_reply *reply, STACK_OF(X509) * *ret_certs);
int ca_parse_chain(const struct http_reply *reply, STACK_OF(X509) * *ret_certs);

/* A provisioner as the CA publishes it. */
struct ca_provisioner {
	char *kid;	      /* of a JWK's key, like what follows; NULL with other types */
	char *algorithm;      /* NULL: not told */
	char *encrypted_key;  /* NULL: not published */
	int64_t min_lifetime; /* its own claims, in milliseconds; 0: the CA's apply */
	int64_t max_lifetime;
};

void ca_provisioner_finish(struct ca_provisioner *p);

/* What one page of GET /provisioners holds; see ca_parse_provisioners(). */
enum {
	CA_PROVISIONER_FOUND = 1,
	CA_PROVISIONER_OTHER_TYPE = 2, /* the name is there, but it is of another type */
	CA_PROVISIONER_NEXT_PAGE = 3,  /* not on this page; *ret_cursor leads to the next */
	CA_PROVISIONER_ABSENT = 4,     /* this was the last page */
};

/*
 * Looks for a provisioner of a type ("JWK", "X5C") on one page. One of the codes above, -EBADMSG or
 * -ENOMEM. Free *ret_cursor (set with NEXT_PAGE) with free(3); *ret with ca_provisioner_finish().
 */
int ca_parse_provisioners(const struct http_reply *reply, const char *name, const char *type,
			  struct ca_provisioner *ret, char **ret_cursor);

/*
 * The body of POST /sign; lifetime_ms 0: the CA's default; template_data may be NULL. NULL: no
 * memory. Wipe it, free(3).
 */
char *ca_sign_request(const char *csr_pem, const char *token, int64_t lifetime_ms,
		      const json_t *template_data);

/* The body of POST /rekey. NULL: no memory. Free with free(3). */
char *ca_rekey_request(const char *csr_pem);

/* The number of a reason for a revocation (RFC 5280 section 5.3.1), -EINVAL: not one of them. */
int ca_reason_code(const char *word);

/*
 * The body of POST /revoke: a decimal serial number, a ca_reason_code(), and a one-time token or
 * NULL over mTLS. NULL: no memory. Wipe it, free(3).
 */
char *ca_revoke_request(const char *serial, int reason, const char *token);

#endif
