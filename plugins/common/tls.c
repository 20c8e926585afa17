#include "common/tls.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Without it OpenSSL asks for a passphrase on the terminal (SSL_CTX_set_default_passwd_cb(3)). */
static int no_password(char *buf, int size, int rwflag, void *data)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)data;
	return 0;
}

/* True where PEM_read ended because there is no further block, not because of a bad one. */
static int at_end_of_pem(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int store_add_pem(X509_STORE *store, const void *pem, size_t len, char *why, size_t why_size)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	unsigned n = 0;
	X509 *cert;
	int r = 0;

	if (!bio)
		return -ENOMEM;
	ERR_clear_error();
	while ((cert = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
		if (X509_STORE_add_cert(store, cert) == 1)
			n++;
		X509_free(cert);
	}
	if (!at_end_of_pem() || n == 0) {
		snprintf(why, why_size, "certificate %u cannot be read; it must be PEM", n + 1);
		r = -EINVAL;
	}
	ERR_clear_error();
	BIO_free(bio);
	return r;
}

/* Whether the default directory has names by hash, as openssl-rehash(1) makes them. */
static int default_directory_hashed(void)
{
	const char *path = getenv(X509_get_default_cert_dir_env());
	DIR *dir = opendir(path ? path : X509_get_default_cert_dir());
	const struct dirent *entry;
	int found = 0;

	if (!dir)
		return 0;
	while (!found && (entry = readdir(dir)))
		found = strspn(entry->d_name, "0123456789abcdef") == 8 && entry->d_name[8] == '.';
	closedir(dir);
	return found;
}

/* The directory is read as names are met; the default file is the whole bundle, parsed at once. */
static int store_add_system(X509_STORE *store)
{
	X509_LOOKUP *dir;

	if (!default_directory_hashed())
		return X509_STORE_set_default_paths(store) == 1 ? 0 : -ENOMEM;
	dir = X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir());
	return dir && X509_LOOKUP_add_dir(dir, NULL, X509_FILETYPE_DEFAULT) == 1 ? 0 : -ENOMEM;
}

static int add_anchors(SSL_CTX *context, enum tls_anchors anchors, const void *pem, size_t len,
		       char *why, size_t why_size)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);

	switch (anchors) {
	case TLS_ANCHORS_SYSTEM:
		return store_add_system(store);
	case TLS_ANCHORS_PEM:
		return store_add_pem(store, pem, len, why, why_size);
	case TLS_ANCHORS_NONE:
		break;
	}
	return 0;
}

int tls_context_create(enum tls_anchors anchors, const void *pem, size_t len, SSL_CTX **ret_context,
		       char *why, size_t why_size)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int r = -ENOMEM;

	if (!context)
		return -ENOMEM;
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		goto fail;
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_passwd_cb(context, no_password);
	r = add_anchors(context, anchors, pem, len, why, why_size);
	if (r < 0)
		goto fail;
	*ret_context = context;
	return 0;
fail:
	SSL_CTX_free(context);
	return r;
}

bool tls_is_literal(const char *name)
{
	struct in6_addr addr;

	return inet_pton(AF_INET, name, &addr) == 1 || inet_pton(AF_INET6, name, &addr) == 1;
}

int tls_expect_name(X509_VERIFY_PARAM *param, const char *name)
{
	if (tls_is_literal(name))
		return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ? 0 : -EINVAL;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 ? 0 : -EINVAL;
}

int tls_check_chain(SSL_CTX *context, X509 *leaf, STACK_OF(X509) * issuers, const char *name,
		    char *why, size_t why_size)
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	int r = -ENOMEM;

	ERR_clear_error();
	if (!check ||
	    X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(context), leaf, issuers) != 1)
		goto out;
	X509_STORE_CTX_set_default(check, "ssl_server");
	if (name && tls_expect_name(X509_STORE_CTX_get0_param(check), name) < 0)
		goto out;
	r = X509_verify_cert(check) == 1 ? 0 : -EINVAL;
	if (r < 0)
		snprintf(why, why_size, "%s",
			 X509_verify_cert_error_string(X509_STORE_CTX_get_error(check)));
out:
	X509_STORE_CTX_free(check);
	ERR_clear_error();
	return r;
}

int64_t tls_time_ms(const ASN1_TIME *time)
{
	struct tm tm;

	if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
		return INT64_MIN;
	return (int64_t)timegm(&tm) * 1000;
}

void tls_time_format(int64_t ms, char *buf, size_t size)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(buf, size, "%F %T UTC", &tm) == 0)
		snprintf(buf, size, "?");
}

void tls_chain_take(const SSL *ssl, struct tls_chain *ret_chain)
{
	STACK_OF(X509) *shown = SSL_get_peer_cert_chain(ssl);
	struct tls_chain chain = {.n = 0};
	unsigned len;

	for (int i = 0; i < sk_X509_num(shown) && i < TLS_CHAIN_MAX; i++)
		if (X509_digest(sk_X509_value(shown, i), EVP_sha256(), chain.sha256[i], &len) == 1)
			chain.n++;
	if (chain.n > 0) {
		chain.not_before = tls_time_ms(X509_get0_notBefore(sk_X509_value(shown, 0)));
		chain.not_after = tls_time_ms(X509_get0_notAfter(sk_X509_value(shown, 0)));
	}
	*ret_chain = chain;
}

/* A peer's bytes in a log line: nothing but printable ASCII. */
static void append_text(char *buf, size_t size, const char *prefix, const unsigned char *data,
			int len)
{
	size_t used = strlen(buf);

	used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "", prefix);
	for (int i = 0; i < len && used + 1 < size; i++)
		buf[used++] = isprint(data[i]) ? (char)data[i] : '?';
	if (used < size)
		buf[used] = '\0';
}

static void append_ip(char *buf, size_t size, const ASN1_OCTET_STRING *ip)
{
	int family = ASN1_STRING_length(ip) == 4 ? AF_INET : AF_INET6;
	char text[INET6_ADDRSTRLEN];

	if (ASN1_STRING_length(ip) != 4 && ASN1_STRING_length(ip) != 16)
		return;
	if (inet_ntop(family, ASN1_STRING_get0_data(ip), text, sizeof(text)))
		append_text(buf, size, "ip:", (const unsigned char *)text, (int)strlen(text));
}

void tls_names_format(X509 *cert, char *buf, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	char subject[128] = "";

	buf[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && strlen(buf) + 1 < size; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			append_text(buf, size, "dns:", ASN1_STRING_get0_data(name->d.dNSName),
				    ASN1_STRING_length(name->d.dNSName));
		else if (name->type == GEN_IPADD)
			append_ip(buf, size, name->d.iPAddress);
	}
	GENERAL_NAMES_free(names);
	if (buf[0])
		return;
	X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
	append_text(buf, size, "", (const unsigned char *)subject, (int)strlen(subject));
}

void tls_error_text(char *buf, size_t size)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	if (ERR_SYSTEM_ERROR(e))
		reason = strerror(ERR_GET_REASON(e));
	snprintf(buf, size, "%s", reason ? reason : "unknown TLS error");
	ERR_clear_error();
}
