/*
 * model/config_expand - %H, %d and %% in values
 */
#include "model/config_expand.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int add_host_name(struct str *out)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) == 0)
		str_add(out, name);
	return 0;
}

static int add_credentials(struct str *out, struct str *why)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (dir && *dir) {
		str_add(out, dir);
		return 0;
	}
	str_clear(why);
	str_add(why,
		"%d is the directory of credentials, but $CREDENTIALS_DIRECTORY is not set; add "
		"LoadCredential= to the unit (systemd.exec(5)), or write the path");
	return -EINVAL;
}

static int add_one(struct str *out, char letter, struct str *why)
{
	switch (letter) {
	case '%':
		str_add(out, "%");
		return 0;
	case 'H':
		return add_host_name(out);
	case 'd':
		return add_credentials(out, why);
	default:
		str_clear(why);
		str_addf(why, "%%%c is not known; write %%H, %%d, or %%%% for a percent sign",
			 letter);
		return -EINVAL;
	}
}

int config_expand(struct str *out, const char *text, struct str *why)
{
	int r = 0;

	for (; *text; text++) {
		if (*text != '%' || (text[1] != '%' && !isalpha((unsigned char)text[1])))
			str_add_n(out, text, 1);
		else if (add_one(out, *++text, why) < 0)
			r = -EINVAL;
	}
	return r;
}
