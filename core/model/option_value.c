/*
 * model/option_value - one value of one option: is it what its type says?
 */
#include "model/option_value.h"

#include "model/options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* No duration is longer than a hundred years: now + duration never overflows. */
#define DURATION_MAX_DAYS 36500
#define MS_PER_DAY 86400000LL

static int parse_bool(const char *value, int64_t *ret, const char **ret_why)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcasecmp(value, words[i])) {
			*ret = i % 2;
			return 0;
		}
	}
	*ret_why = "is neither yes nor no; write one of them";
	return -EINVAL;
}

/* Decimal digits at *p, at least one. -EINVAL: none; -ERANGE: more than 64 bits. */
static int parse_digits(const char **p, int64_t *ret)
{
	int64_t n = 0;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, **p - '0', &n))
			return -ERANGE;
	*ret = n;
	return 0;
}

static int parse_integer(const char *value, int64_t *ret, const char **ret_why)
{
	const char *p = value + (*value == '-' || *value == '+');
	int64_t n = 0;
	int r = parse_digits(&p, &n);

	if (r == 0 && *p)
		r = -EINVAL;
	if (r < 0) {
		*ret_why = r == -ERANGE ? "is too large; write a number of at most 18 digits"
					: "is not a whole number; write digits only";
		return -EINVAL;
	}
	*ret = *value == '-' ? -n : n;
	return 0;
}

/* The milliseconds of a unit, 0: there is no such unit. A number alone is in seconds. */
static int64_t unit_ms(const char *unit)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {
		{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", MS_PER_DAY},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(unit, units[i].name))
			return units[i].ms;
	return 0;
}

static int parse_duration(const char *value, int64_t *ret, const char **ret_why)
{
	const char *p = value;
	int64_t n = 0, unit;
	int r = parse_digits(&p, &n);

	while (isspace((unsigned char)*p))
		p++;
	unit = unit_ms(p);
	if (r == -ERANGE || (r == 0 && unit && n > DURATION_MAX_DAYS * MS_PER_DAY / unit)) {
		*ret_why = "is too long; write at most 36500d";
		return -EINVAL;
	}
	if (r < 0 || !unit) {
		*ret_why = "is not a duration; write 500ms, 15s, 5m, 8h or 30d";
		return -EINVAL;
	}
	*ret = n * unit;
	return 0;
}

/* One or two decimals at *p, in hundredths. */
static int parse_decimals(const char **p, int64_t *ret)
{
	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	*ret = 10 * (*(*p)++ - '0');
	if (isdigit((unsigned char)**p))
		*ret += *(*p)++ - '0';
	return 0;
}

/* "66%" and "66.5%" in hundredths of a percent. */
static int parse_percent(const char *value, int64_t *ret, const char **ret_why)
{
	const char *p = value;
	int64_t whole = 0, part = 0;
	int r = parse_digits(&p, &whole);

	if (r == 0 && *p == '.') {
		p++;
		r = parse_decimals(&p, &part);
	}
	if (r < 0 || strcmp(p, "%") != 0) {
		*ret_why = "is not a percentage; write 66% or 66.5%";
		return -EINVAL;
	}
	if (whole > 100 || (whole == 100 && part)) {
		*ret_why = "is more than 100%; write 66% or 66.5%";
		return -EINVAL;
	}
	*ret = whole * 100 + part;
	return 0;
}

static int parse_share(const char *value, int64_t *ret, const char **ret_why)
{
	int64_t n = 0;
	int r;

	if (strchr(value, '%')) {
		r = parse_percent(value, &n, ret_why);
		if (r == 0 && n == 0) {
			*ret_why = "is not above 0%; write 66%, or a duration before the end";
			return -EINVAL;
		}
		n = -n;
	} else {
		r = parse_duration(value, &n, ret_why);
		if (r < 0 && strstr(*ret_why, "not a duration"))
			*ret_why = "is neither a percentage nor a duration; write 66% or 8h";
	}
	if (r == 0)
		*ret = n;
	return r;
}

int option_parse_int(int32_t type, const char *value, int64_t *ret, const char **ret_why)
{
	switch (type) {
	case HC_OPT_BOOL:
		return parse_bool(value, ret, ret_why);
	case HC_OPT_INTEGER:
		return parse_integer(value, ret, ret_why);
	case HC_OPT_DURATION:
		return parse_duration(value, ret, ret_why);
	case HC_OPT_PERCENT:
		return parse_percent(value, ret, ret_why);
	case HC_OPT_SHARE:
		return parse_share(value, ret, ret_why);
	default:
		*ret_why = "is of a type that is no number";
		return -EINVAL;
	}
}

bool option_is_numeric(int32_t type)
{
	return type == HC_OPT_BOOL || type == HC_OPT_INTEGER || type == HC_OPT_DURATION ||
	       type == HC_OPT_PERCENT || type == HC_OPT_SHARE;
}

const char *option_type_name(int32_t type)
{
	switch (type) {
	case HC_OPT_STRING:
		return "string";
	case HC_OPT_BOOL:
		return "yes or no";
	case HC_OPT_INTEGER:
		return "integer";
	case HC_OPT_DURATION:
		return "duration";
	case HC_OPT_PERCENT:
		return "percentage";
	case HC_OPT_SHARE:
		return "% or duration";
	case HC_OPT_PATH:
		return "path";
	case HC_OPT_SECRET:
		return "secret file";
	case HC_OPT_LIST:
		return "list";
	case HC_OPT_CHOICE:
		return "choice";
	default:
		return NULL;
	}
}

static int check_path(const char *value, struct str *why)
{
	if (*value == '/')
		return 0;
	str_addf(why, "\"%s\" is not an absolute path; begin it with '/'", value);
	return -EINVAL;
}

/* Looks first, and opens regular files only: opening some devices has effects. */
static int try_open(const char *path)
{
	struct stat st;
	int fd;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* The file must be readable, and the value must not be the secret itself. */
static int check_secret(const char *value, struct str *why)
{
	int r;

	if (*value != '/') {
		str_add(why,
			"is not an absolute path; write the secret into a file that only hotcertd "
			"can read, and the path of that file here");
		return -EINVAL;
	}
	r = try_open(value);
	if (r == -EINVAL)
		str_addf(why, "%s is not a regular file; write the secret into one", value);
	else if (r < 0)
		str_addf(why, "%s cannot be read: %s; %s", value, strerror(-r),
			 r == -ENOENT ? "create it, or correct the path"
				      : "let the user that hotcertd runs as read it");
	return r < 0 ? -EINVAL : 0;
}

static int check_choice(const struct hc_option *option, const char *value, struct str *why)
{
	const char *choices = option->choices ? option->choices : "";
	size_t len = strlen(value);

	for (const char *p = choices; *p;) {
		size_t n = strcspn(p, " ");

		if (n == len && !memcmp(p, value, n))
			return 0;
		p += n + strspn(p + n, " ");
	}
	str_addf(why, "\"%s\" is not one of: %s", value, choices);
	return -EINVAL;
}

static int check_number(int32_t type, const char *value, struct str *why)
{
	const char *text = "";
	int64_t n;

	if (option_parse_int(type, value, &n, &text) == 0)
		return 0;
	str_addf(why, "\"%s\" %s", value, text);
	return -EINVAL;
}

int option_check(const struct hc_option *option, const char *value, struct str *why)
{
	if (option->type != HC_OPT_LIST && strchr(value, '\n')) {
		str_add(why,
			"takes one value, but the indented line below continues it; remove the "
			"indentation of a line that is a key of its own");
		return -EINVAL;
	}
	switch (option->type) {
	case HC_OPT_STRING:
	case HC_OPT_LIST:
		return 0;
	case HC_OPT_PATH:
		return check_path(value, why);
	case HC_OPT_SECRET:
		return check_secret(value, why);
	case HC_OPT_CHOICE:
		return check_choice(option, value, why);
	default:
		if (option_is_numeric(option->type))
			return check_number(option->type, value, why);
		str_addf(why,
			 "is of type %d, which this hotcertd does not know; it is older than the "
			 "plugin",
			 (int)option->type);
		return -EINVAL;
	}
}

bool option_next_word(const char **cursor, char *buf)
{
	const char *p = *cursor;
	char *out = buf;

	while (*p == ',' || isspace((unsigned char)*p))
		p++;
	if (!*p)
		return false;
	for (; *p && *p != ',' && *p != '\n'; p++) {
		if (p[0] == '\\' && p[1] == ',')
			p++;
		*out++ = *p;
	}
	while (out > buf && isspace((unsigned char)out[-1]))
		out--;
	*out = '\0';
	*cursor = p;
	return true;
}
