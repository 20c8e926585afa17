#include "trust/name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "hotcert-"

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The length of one part of an RFC 2253 name: up to the next ',' or '+' without a backslash. */
static size_t part_len(const char *part)
{
	size_t n = 0;

	while (part[n] && part[n] != ',' && part[n] != '+')
		n += part[n] == '\\' && part[n + 1] ? 2 : 1;
	return n;
}

/* The value of CN in an RFC 2253 name and its length; the whole name where it has none. */
static const char *common_name(const char *subject, size_t *ret_len)
{
	const char *part = subject;

	for (;;) {
		*ret_len = part_len(part);
		if (strncmp(part, "CN=", 3) == 0) {
			*ret_len -= 3;
			return part + 3;
		}
		if (part[*ret_len] == '\0')
			break;
		part += *ret_len + 1;
	}
	*ret_len = strlen(subject);
	return subject;
}

void name_label(const char *subject, char ret[NAME_LABEL])
{
	size_t len, n = 0;
	const char *name = common_name(subject, &len);

	for (size_t i = 0; i < len && n + 1 < NAME_LABEL; i++) {
		if (is_plain(name[i]))
			ret[n++] = name[i];
		else if (n > 0 && ret[n - 1] != '_')
			ret[n++] = '_';
	}
	while (n > 0 && ret[n - 1] == '_')
		n--;
	ret[n] = '\0';
	if (n == 0)
		strcpy(ret, "root");
}

void name_instance(const char *full, char ret[NAME_INSTANCE])
{
	const char *colon = strchr(full, ':');
	size_t n = 0;

	for (const char *p = colon ? colon + 1 : full; *p && n + 1 < NAME_INSTANCE; p++)
		ret[n++] = is_plain(*p) || strchr("._@-", *p) ? *p : '_';
	ret[n] = '\0';
}

void name_hex(const uint8_t *bytes, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		sprintf(ret + 2 * i, "%02x", bytes[i]);
}

void name_file(const char *instance, const uint8_t fingerprint[32], const char *label,
	       const char *suffix, char ret[NAME_FILE])
{
	char hex[NAME_HEX + 1];

	name_hex(fingerprint, NAME_HEX / 2, hex);
	snprintf(ret, NAME_FILE, PREFIX "%.*s-%s-%.*s%s", NAME_INSTANCE - 1, instance, hex,
		 NAME_LABEL - 1, label, suffix);
}

static bool hex_digit(char c, uint8_t *ret)
{
	if (!isxdigit((unsigned char)c))
		return false;
	*ret = (uint8_t)(isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10);
	return true;
}

static bool hex_bytes(const char *text, size_t n, uint8_t *ret)
{
	uint8_t high, low;

	for (size_t i = 0; i < n; i++) {
		if (!hex_digit(text[2 * i], &high) || !hex_digit(text[2 * i + 1], &low))
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The last '-' before end, or NULL. */
static const char *dash_before(const char *start, const char *end)
{
	while (end > start)
		if (*--end == '-')
			return end;
	return NULL;
}

bool name_parse(const char *file, const char *suffix, struct name_parts *ret)
{
	size_t len = strlen(file), cut = strlen(suffix);
	const char *label, *hex;

	if (strncmp(file, PREFIX, strlen(PREFIX)) != 0 || len < cut ||
	    strcmp(file + len - cut, suffix) != 0)
		return false;
	ret->instance = file + strlen(PREFIX);
	label = dash_before(ret->instance, file + len - cut);
	hex = label ? dash_before(ret->instance, label) : NULL;
	if (!hex || hex == ret->instance || label - hex != NAME_HEX + 1)
		return false;
	ret->instance_len = (size_t)(hex - ret->instance);
	return hex_bytes(hex + 1, NAME_HEX / 2, ret->fingerprint);
}

bool name_is_of(const struct name_parts *parts, const char *instance)
{
	return strlen(instance) == parts->instance_len &&
	       memcmp(parts->instance, instance, parts->instance_len) == 0;
}
