/*
 * stepca/acme_options - the keys of a section that gets its certificate over ACME
 */
#ifndef HC_STEPCA_ACME_OPTIONS_H
#define HC_STEPCA_ACME_OPTIONS_H

#include <hotcert/plugin.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

/* How the CA sees that a name is ours: the words of the key `challenge`, in their order. */
enum acme_challenge {
	ACME_NONE, /* not over ACME at all */
	ACME_HTTP_01,
	ACME_TLS_ALPN_01,
	ACME_DNS_01,
};

#define ACME_CHALLENGES "http-01 tls-alpn-01 dns-01"

/* When an instance may order again, after a failure. */
struct acme_pause {
	int64_t until;	     /* monotonic; 0: now */
	int32_t status;	     /* of the job that failed */
	uint64_t generation; /* a job with the same snapshot was asked for by a person, or is due */
};

struct acme_options {
	enum acme_challenge challenge;
	const char *challenge_name;
	char *directory; /* its URL */
	bool foreign;	 /* the directory is configured: it may be no step-ca's */
	const char *const *contact;
	bool agree_tos;
	const char *eab_kid;	 /* NULL: no external account binding */
	const char *webroot;	 /* NULL: a listener of our own answers */
	const char *http_listen; /* see acme_listen.h */
	const char *tls_listen;
	char **dns_hook; /* its words, NULL-terminated; one block */
	int64_t dns_delay;
	int64_t dns_timeout;
};

/* The keys, for options_table. */
#define ACME_OPTIONS                                                                                \
	{"challenge",                                                                               \
	 HC_OPT_CHOICE,                                                                             \
	 0,                                                                                         \
	 NULL,                                                                                      \
	 ACME_CHALLENGES,                                                                           \
	 "get the certificate over ACME, and how the CA checks the names"},                         \
		{"acme_directory",                                                                  \
		 HC_OPT_STRING,                                                                     \
		 0,                                                                                 \
		 NULL,                                                                              \
		 NULL,                                                                              \
		 "URL of the ACME directory; default: that of the provisioner in url"},             \
		{"acme_contact",                                                                    \
		 HC_OPT_LIST,                                                                       \
		 0,                                                                                 \
		 NULL,                                                                              \
		 NULL,                                                                              \
		 "e-mail addresses that the CA may write to about the account"},                    \
		{"acme_agree_tos",                                                                  \
		 HC_OPT_BOOL,                                                                       \
		 0,                                                                                 \
		 "no",                                                                              \
		 NULL,                                                                              \
		 "you have read the CA's terms of service and agree to them"},                      \
		{"acme_eab_kid",                                                                    \
		 HC_OPT_STRING,                                                                     \
		 0,                                                                                 \
		 NULL,                                                                              \
		 NULL,                                                                              \
		 "key id of an account that you have with the CA (external account binding)"},      \
		{"acme_eab_key_file",                                                               \
		 HC_OPT_SECRET,                                                                     \
		 0,                                                                                 \
		 NULL,                                                                              \
		 NULL,                                                                              \
		 "file with the MAC key to acme_eab_kid, in base64url as the CA gave it"},          \
		{"webroot", HC_OPT_PATH, 0,                                                         \
		 NULL,	    NULL,	 "http-01: directory that a web server on port 80 serves"}, \
		{"http_listen",                                                                     \
		 HC_OPT_STRING,                                                                     \
		 0,                                                                                 \
		 ":80",                                                                             \
		 NULL,                                                                              \
		 "http-01 without webroot: where to answer while the CA asks: [ADDRESS]:PORT"},     \
		{"tls_listen",                                                                      \
		 HC_OPT_STRING,                                                                     \
		 0,                                                                                 \
		 ":443",                                                                            \
		 NULL,                                                                              \
		 "tls-alpn-01: where to answer while the CA asks: [ADDRESS]:PORT"},                 \
		{"dns_hook",                                                                        \
		 HC_OPT_STRING,                                                                     \
		 0,                                                                                 \
		 NULL,                                                                              \
		 NULL,                                                                              \
		 "dns-01: command that is run with the words present or cleanup, record name, "     \
		 "value"},                                                                          \
		{"dns_delay", HC_OPT_DURATION,                                                      \
		 0,	      "0",                                                                  \
		 NULL,	      "dns-01: how long new records take until they are seen everywhere"},  \
	{                                                                                           \
		"dns_timeout", HC_OPT_DURATION, 0, "60s", NULL, "dns-01: longest run of dns_hook"   \
	}

enum { N_ACME_OPTIONS = 12 };

/* What the section says besides. */
struct acme_section {
	const struct hc_host *host;
	hc_ctx *ctx;
	const char *url;	 /* without a slash at its end */
	const char *provisioner; /* NULL: not given */
	const char *subject;	 /* NULL: not given */
	const GENERAL_NAMES *names;
};

/*
 * Reads and checks. -EINVAL where something is wrong, which opt_error() was told; -ENOMEM. Where
 * challenge is not given, the other keys must not be either.
 */
int acme_options_init(struct acme_options *o, const struct acme_section *section);
void acme_options_finish(struct acme_options *o); /* takes a zeroed one */

/*
 * The common name to ask for: over ACME only a DNS name, for a server that knows no addresses there
 * (RFC 8555 section 7.4). May be NULL.
 */
const char *acme_common_name(const struct acme_options *o, const char *subject);

/* The https://HOST[:PORT] that a URL begins with. NULL: it is no such URL, or out of memory. */
char *acme_origin(const char *url);

#endif
