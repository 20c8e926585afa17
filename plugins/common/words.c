#include "common/words.h"

#include "common/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const shell_signs[] = {"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"};

struct scan {
	const char *in;
	char *out;
	bool quoted; /* the word at hand has quotes or a backslash */
	const char *why;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes what a backslash protects; inside "…" it protects only the quote and itself. */
static void take_backslash(struct scan *s, bool in_quotes)
{
	s->quoted = true;
	if (in_quotes && s->in[1] != '"' && s->in[1] != '\\') {
		*s->out++ = *s->in++;
		return;
	}
	s->in++;
	if (*s->in == '\0')
		s->why = "ends with a backslash";
	else
		*s->out++ = *s->in++;
}

static void take_quotes(struct scan *s)
{
	char quote = *s->in++;

	s->quoted = true;
	while (*s->in != '\0' && *s->in != quote) {
		if (quote == '"' && *s->in == '\\')
			take_backslash(s, true);
		else
			*s->out++ = *s->in++;
	}
	if (*s->in == '\0')
		s->why = "has a quote that is not closed";
	else
		s->in++;
}

static bool needs_shell(const char *word)
{
	for (size_t i = 0; i < sizeof(shell_signs) / sizeof(*shell_signs); i++)
		if (strcmp(word, shell_signs[i]) == 0)
			return true;
	return false;
}

/* Takes one word; s->in stands at its first character. */
static char *take_word(struct scan *s)
{
	char *word = s->out;

	s->quoted = false;
	while (*s->in != '\0' && !is_blank(*s->in) && !s->why) {
		if (*s->in == '\\')
			take_backslash(s, false);
		else if (*s->in == '\'' || *s->in == '"')
			take_quotes(s);
		else
			*s->out++ = *s->in++;
	}
	*s->out++ = '\0';
	if (!s->why && !s->quoted && needs_shell(word))
		s->why = "is run without a shell, which |, &, ;, < and > would need; write "
			 "sh -c '...', or quote the sign to pass it on";
	return word;
}

int words_split(const char *line, char ***ret_words, const char **ret_why)
{
	size_t len = strlen(line), max = len / 2 + 2;
	cleanup_free char **words = malloc(max * sizeof(*words) + len + 1);
	struct scan s = {.in = line};
	int n = 0;

	if (!words)
		return -ENOMEM;
	s.out = (char *)(words + max);
	for (;;) {
		while (is_blank(*s.in))
			s.in++;
		if (*s.in == '\0' || s.why)
			break;
		words[n++] = take_word(&s);
	}
	if (!s.why && (n == 0 || words[0][0] == '\0'))
		s.why = "names no program";
	if (s.why) {
		*ret_why = s.why;
		return -EINVAL;
	}
	words[n] = NULL;
	*ret_words = steal(&words);
	return n;
}
