/*
 * stepca/acme_object - the objects of ACME (RFC 8555 section 7.1), read and checked
 *
 * Nothing that a server sends is taken on trust: URLs are https, tokens are of the alphabet that
 * may go into a path, numbers of things are bounded.
 */
#ifndef HC_STEPCA_ACME_OBJECT_H
#define HC_STEPCA_ACME_OBJECT_H

#include "stepca/acme_problem.h"

#include <openssl/x509v3.h>

/* Status of an order, an authorization or a challenge (section 7.1.6). */
enum acme_status {
	ACME_PENDING,
	ACME_READY,
	ACME_PROCESSING,
	ACME_VALID,
	ACME_INVALID, /* or deactivated, expired, revoked: there is no way back */
};

/* GET of the directory (section 7.1.1). */
struct acme_directory {
	char *new_nonce;
	char *new_account;
	char *new_order;
	char *terms; /* of service; NULL: none to agree to */
	bool binding_required;
};

struct acme_order {
	enum acme_status status;
	char *finalize;
	char *certificate;     /* NULL: not yet */
	char **authorizations; /* n URLs */
	size_t n;
	char error[ACME_PROBLEM_SIZE]; /* "" where there is none */
};

/* An authorization, and in it the one challenge of the kind we can meet. */
struct acme_authz {
	enum acme_status status;
	char *name; /* DNS name without "*.", or an address */
	bool is_ip;
	char *url;   /* of the challenge; NULL: this kind is not offered */
	char *token; /* of the challenge */
	enum acme_status challenge;
	bool failed;		     /* the challenge carries an error: problem */
	struct acme_problem problem; /* why it is invalid, or why it is still pending */
	char offered[128];	     /* the kinds that are: "http-01, dns-01" */
};

/*
 * Each reads a reply's body: 0, -EBADMSG (it is no such object), or -ENOMEM. Free *ret with the
 * _finish() of its kind, which takes a zeroed one.
 */
int acme_directory_parse(const struct http_reply *reply, struct acme_directory *ret);
int acme_order_parse(const struct http_reply *reply, struct acme_order *ret);
int acme_authz_parse(const struct http_reply *reply, const char *challenge, struct acme_authz *ret);

void acme_directory_finish(struct acme_directory *d);
void acme_order_finish(struct acme_order *o);
void acme_authz_finish(struct acme_authz *a);

/*
 * The body of newOrder: our DNS names and addresses as identifiers (section 7.4, RFC 8738), and
 * when the certificate shall end (milliseconds since 1970; 0: as the CA likes). NULL: out of
 * memory. Free with json_decref().
 */
json_t *acme_order_request(const GENERAL_NAMES *names, int64_t not_after);

/* True where the order in a reply is for just these names. */
bool acme_order_is_for(const struct http_reply *reply, const GENERAL_NAMES *names);

#endif
