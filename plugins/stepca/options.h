/*
 * stepca/options - one section's settings, checked beyond what the option table can say
 */
#ifndef HC_STEPCA_OPTIONS_H
#define HC_STEPCA_OPTIONS_H

#include "common/pem.h"
#include "stepca/acme_options.h"
#include "stepca/key.h"
#include "stepca/schedule.h"

#include <hotcert/plugin.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>

/* Owner and mode of a file we write; what is not set is taken from the file that is there. */
struct file_access {
	uint32_t mode;
	bool mode_set;
	uint32_t uid; /* (uint32_t)-1: not set */
	uint32_t gid;
};

/* What proves who we are, for the first certificate: what a one-time token comes from, or ACME. */
enum credential { BY_PASSWORD, BY_X5C, BY_TOKEN_FILE, BY_TOKEN_COMMAND, BY_ACME };

struct options {
	char *url; /* https://HOST[:PORT][/PATH], no slash at its end */
	uint8_t fingerprint[PEM_FINGERPRINT_LEN];
	const char *root; /* path of a PEM file; NULL: by fingerprint */
	enum credential credential;
	bool has_fingerprint;
	bool has_password;
	bool has_key_password;
	const char *provisioner;
	const char *x5c_cert; /* paths; NULL: not so */
	const char *x5c_key;
	const char *token_file;
	char **token_command; /* words, NULL-terminated; NULL: not so */
	struct acme_options acme;
	const char *subject;
	GENERAL_NAMES *names;
	enum key_type key_type;
	bool key_type_set; /* in the file, not by default */
	int64_t lifetime;
	const char *template_data; /* path; NULL: none */
	struct schedule schedule;
	bool rekey;
	bool mtls; /* our certificate is shown to the CA */
	bool update_roots;
	bool federation;
	int64_t overlap;
	struct file_access cert_access;
	struct file_access key_access;
	int64_t request_timeout;
	int64_t parallel;
	uint8_t asked[32]; /* digest of what a certificate is asked for: see options_asked() */
};

/* The table of the section's keys. */
enum { N_OPTIONS = 28 + N_ACME_OPTIONS };
extern const struct hc_option options_table[N_OPTIONS];

/*
 * Reads and checks; reports every fault through opt_error(). -EINVAL where there was one, -ENOMEM.
 * Strings live as long as ctx.
 */
int options_init(struct options *o, const struct hc_host *host, hc_ctx *ctx);
void options_finish(struct options *o); /* takes a zeroed one */

#endif
