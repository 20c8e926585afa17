#include "stepca/b64.h"

#include "common/mem.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

char *b64_encode(const void *data, size_t len)
{
	char *text;

	if (len > INT_MAX / 2)
		return NULL;
	text = malloc((len + 2) / 3 * 4 + 1);
	if (text)
		EVP_EncodeBlock((unsigned char *)text, data, (int)len);
	return text;
}

char *b64url_encode(const void *data, size_t len)
{
	char *text = b64_encode(data, len);

	if (!text)
		return NULL;
	for (char *c = text; *c; c++) {
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
	}
	text[strcspn(text, "=")] = '\0';
	return text;
}

/* The value of a digit of base64url, or -1. */
static int digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int b64url_decode(const char *text, size_t len, uint8_t **ret, size_t *ret_len)
{
	cleanup_free uint8_t *out = NULL;
	uint32_t bits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return -EINVAL;
	out = malloc(len / 4 * 3 + 3);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		int value = digit(text[i]);

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 0)
			out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	out[n] = '\0';
	*ret = steal(&out);
	*ret_len = n;
	return 0;
}
