#include "stepca/names.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

static bool dns_valid(const char *text)
{
	size_t len = strlen(text), label = 0;

	if (strncmp(text, "*.", 2) == 0)
		text += 2;
	if (!*text || len > 253)
		return false;
	for (; *text; text++) {
		if (*text == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (isalnum((unsigned char)*text) || *text == '-' || *text == '_') {
			if (++label > 63)
				return false;
		} else {
			return false;
		}
	}
	return label > 0;
}

static bool ip_valid(const char *text)
{
	struct in6_addr addr;

	return inet_pton(AF_INET, text, &addr) == 1 || inet_pton(AF_INET6, text, &addr) == 1;
}

/* RFC 3986 section 3: a scheme, a colon, something. */
static bool uri_valid(const char *text)
{
	size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789+-.");

	return isalpha((unsigned char)*text) && text[scheme] == ':' && text[scheme + 1] &&
	       !strpbrk(text, " \t");
}

static bool email_valid(const char *text)
{
	const char *at = strrchr(text, '@');

	return at && at > text && dns_valid(at + 1) && !strpbrk(text, " \t");
}

static const struct {
	const char *prefix;
	bool (*valid)(const char *text);
	enum name_type type;
	int gen; /* OpenSSL's GEN_* */
} kinds[] = {
	/* In the order in which a name without a prefix is tried. */
	{"ip:", ip_valid, NAME_IP, GEN_IPADD},
	{"uri:", uri_valid, NAME_URI, GEN_URI},
	{"email:", email_valid, NAME_EMAIL, GEN_EMAIL},
	{"dns:", dns_valid, NAME_DNS, GEN_DNS},
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static int kind_of(const char *text, const char **ret_value)
{
	for (int i = 0; i < N_KINDS; i++) {
		size_t len = strlen(kinds[i].prefix);

		if (strncasecmp(text, kinds[i].prefix, len) != 0)
			continue;
		*ret_value = text + len;
		return kinds[i].valid(text + len) ? i : -1;
	}
	*ret_value = text;
	for (int i = 0; i < N_KINDS; i++)
		if (kinds[i].valid(text))
			return i;
	return -1;
}

bool name_classify(const char *text, enum name_type *ret_type, const char **ret_value)
{
	const char *value;
	int kind = kind_of(text, &value);

	if (kind < 0)
		return false;
	*ret_type = kinds[kind].type;
	*ret_value = value;
	return true;
}

static GENERAL_NAME *name_build(int kind, const char *value)
{
	cleanup_free char *copy = strdup(value);

	if (!copy)
		return NULL;
	if (kinds[kind].type == NAME_DNS)
		for (char *c = copy; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	return a2i_GENERAL_NAME(NULL, NULL, NULL, kinds[kind].gen, copy, 0);
}

int names_build(const char *const *list, GENERAL_NAMES **ret, const char **ret_bad)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	for (; names && *list; list++) {
		const char *value;
		int kind = kind_of(*list, &value);
		GENERAL_NAME *name = kind < 0 ? NULL : name_build(kind, value);

		if (!name || !sk_GENERAL_NAME_push(names, name)) {
			GENERAL_NAME_free(name);
			GENERAL_NAMES_free(names);
			ERR_clear_error();
			*ret_bad = *list;
			return kind < 0 ? -EINVAL : -ENOMEM;
		}
	}
	if (!names)
		return -ENOMEM;
	*ret = names;
	return 0;
}

static char *ip_text(const ASN1_OCTET_STRING *ip)
{
	char text[INET6_ADDRSTRLEN];
	int family = ASN1_STRING_length(ip) == 4 ? AF_INET : AF_INET6;

	if (!inet_ntop(family, ASN1_STRING_get0_data(ip), text, sizeof(text)))
		return NULL;
	return strdup(text);
}

char *name_text(const GENERAL_NAME *name)
{
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);

	if (type == GEN_IPADD)
		return ip_text(value);
	return strndup((const char *)ASN1_STRING_get0_data(value),
		       (size_t)ASN1_STRING_length(value));
}

static bool names_contain(const GENERAL_NAMES *names, const GENERAL_NAME *name)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(names, i), (GENERAL_NAME *)name) == 0)
			return true;
	return false;
}

const GENERAL_NAME *names_missing(const GENERAL_NAMES *names, const X509 *cert)
{
	GENERAL_NAMES *its = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const GENERAL_NAME *missing = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !missing; i++)
		if (!names_contain(its, sk_GENERAL_NAME_value(names, i)))
			missing = sk_GENERAL_NAME_value(names, i);
	GENERAL_NAMES_free(its);
	return missing;
}
