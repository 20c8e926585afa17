/*
 * model/options_print - an option table as a reference for people
 */
#include "model/options.h"

#include "base/mem.h"
#include "base/str.h"
#include "model/option_value.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* Help is wrapped at the terminal's width, at 100 columns elsewhere, and is never narrower than 30.
 */
#define WIDTH_DEFAULT 100
#define HELP_MIN 30

struct columns {
	int name;
	int type;
	int def;
	int help; /* room for it */
};

static const char *default_of(const struct hc_option *option)
{
	if (option->flags & HC_OPT_REQUIRED)
		return "required";
	return option->def ? option->def : "-";
}

static const char *type_of(const struct hc_option *option)
{
	const char *name = option_type_name(option->type);

	return name ? name : "?";
}

/* The help, with the words of a choice behind it: "what to do (a, b, c)". Free with free(3). */
static char *help_of(const struct hc_option *option)
{
	struct str help = {0};

	str_add(&help, option->help ? option->help : "");
	if (option->type == HC_OPT_CHOICE && option->choices) {
		str_add(&help, " (");
		for (const char *p = option->choices; *p; p++)
			str_add_n(&help, *p == ' ' ? ", " : p, *p == ' ' ? 2 : 1);
		str_add(&help, ")");
	}
	return str_take(&help);
}

static int widest(int width, const char *text)
{
	int len = (int)strlen(text);

	return len > width ? len : width;
}

static struct columns measure(const struct option_table *table)
{
	struct columns c = {3, 4, 7, 0};
	struct winsize size;
	int width = WIDTH_DEFAULT;

	for (uint32_t i = 0; i < table->n; i++) {
		const struct hc_option *option = option_table_get(table, i);

		c.name = widest(c.name, option->name);
		c.type = widest(c.type, type_of(option));
		c.def = widest(c.def, default_of(option));
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		width = size.ws_col;
	c.help = width - (c.name + c.type + c.def + 6);
	if (c.help < HELP_MIN)
		c.help = HELP_MIN;
	return c;
}

/* The length of the first line of text that fits into width, cut at a space where there is one. */
static size_t line_length(const char *text, size_t width)
{
	size_t len = strlen(text), n = width;

	if (len <= width)
		return len;
	while (n && text[n] != ' ')
		n--;
	return n ? n : width;
}

/* Prints the help in its column, its further lines below it. */
static void print_wrapped(const char *text, const struct columns *c)
{
	int indent = c->name + c->type + c->def + 6;

	for (;;) {
		size_t n = line_length(text, (size_t)c->help);

		printf("%.*s\n", (int)n, text);
		text += n;
		text += strspn(text, " ");
		if (!*text)
			return;
		printf("%*s", indent, "");
	}
}

void options_print(const struct option_table *table)
{
	struct columns c = measure(table);

	printf("%-*s  %-*s  %-*s  %s\n", c.name, "KEY", c.type, "TYPE", c.def, "DEFAULT",
	       "MEANING");
	for (uint32_t i = 0; i < table->n; i++) {
		const struct hc_option *option = option_table_get(table, i);
		cleanup_free char *help = help_of(option);

		printf("%-*s  %-*s  %-*s  ", c.name, option->name, c.type, type_of(option), c.def,
		       default_of(option));
		print_wrapped(help ? help : "", &c);
	}
}

/* Text as roff(7) takes it: minus signs and backslashes escaped. */
static void print_roff(const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

void options_print_man(const struct option_table *table)
{
	for (uint32_t i = 0; i < table->n; i++) {
		const struct hc_option *option = option_table_get(table, i);
		cleanup_free char *help = help_of(option);

		fputs(".TP\n\\fB", stdout);
		print_roff(option->name);
		printf("\\fR (%s", type_of(option));
		if (option->flags & HC_OPT_REQUIRED) {
			fputs(", required", stdout);
		} else if (option->def) {
			fputs(", default: \\fB", stdout);
			print_roff(option->def);
			fputs("\\fR", stdout);
		}
		fputs(")\n\\&", stdout); /* so that no help begins a request */
		print_roff(help ? help : "");
		putchar('\n');
	}
}
