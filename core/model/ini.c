/*
 * model/ini - one INI file, line by line, with what is wrong in it
 *
 * inih splits the lines; the reader here feeds it. Releases differ (up to r55 a comment stays in a
 * continuation line, from r56 on it goes) and none tells what it skipped, so the reader takes the
 * comments out itself, passes nothing that would not fit, and notices when a line it passed did not
 * come back as a key.
 */
#include "model/ini.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A file that changes while it is read is read again, so many times. */
#define READ_TRIES 5

enum place {
	BEFORE, /* the first section */
	INSIDE, /* a section */
	LOST,	/* under a header that could not be read: keys are passed over */
};

struct reader {
	const char *path;
	const char *next; /* the rest of the file */
	const char *end;
	unsigned line; /* the number of the line at hand, from 1 */
	enum place place;
	bool indented; /* the line begins with white space */
	bool awaited;  /* inih has it, and has not called take_key() for it */
	bool in_key;   /* an indented line continues a key */
	bool dropped;  /* that key was refused, so its further lines are passed over */
	unsigned n_errors;
	const struct ini_sink *sink;
	void *data;
	struct errors *errors;
};

__attribute__((format(printf, 2, 3))) static void complain(struct reader *r, const char *format,
							   ...)
{
	struct str text = {0};
	va_list args;

	if (++r->n_errors > INI_ERRORS_MAX)
		return;
	va_start(args, format);
	str_addv(&text, format, args);
	va_end(args);
	errors_add(r->errors, "%s:%u: %s", r->path, r->line, str_get(&text));
	if (r->n_errors == INI_ERRORS_MAX)
		errors_add(r->errors,
			   "%s: more errors are not shown; is this a drop-in of hotcert?", r->path);
	str_finish(&text);
}

/* A piece of the file. */
struct span {
	const char *text;
	size_t len;
};

static bool is_space(char c)
{
	return isspace((unsigned char)c);
}

static struct span trim(struct span s)
{
	while (s.len && is_space(s.text[s.len - 1]))
		s.len--;
	while (s.len && is_space(s.text[0])) {
		s.text++;
		s.len--;
	}
	return s;
}

/* The line without its comment and the white space at its end: "" where nothing else is in it. */
static struct span strip(struct span s)
{
	struct span bare = trim(s);

	if (!bare.len || bare.text[0] == ';' || bare.text[0] == '#')
		return (struct span){s.text, 0};
	for (size_t i = 1; i < s.len; i++) {
		if (s.text[i] == ';' && is_space(s.text[i - 1])) {
			s.len = i;
			break;
		}
	}
	while (s.len && is_space(s.text[s.len - 1]))
		s.len--;
	return s;
}

static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.text[i] < ' ' && s.text[i] != '\t') || s.text[i] == 0x7f)
			return true;
	return false;
}

/* " #" does not begin a comment for inih, but whoever writes it means one. */
static bool has_hash(struct span s)
{
	for (size_t i = 1; i < s.len; i++)
		if (s.text[i] == '#' && is_space(s.text[i - 1]))
			return true;
	return false;
}

/* False, with a complaint, where inih, whose buffer has size bytes, must not see the line. */
static bool line_fits(struct reader *r, struct span s, int size)
{
	int max = size - 3 < INI_LINE_MAX ? size - 3 : INI_LINE_MAX;

	if (max < 0 || s.len > (size_t)max)
		complain(r,
			 "the line has %zu bytes, more than the %d that can be read; put the words "
			 "of a "
			 "list on indented lines below the key, or shorten it",
			 s.len, max);
	else if (!str_is_utf8(s.text, s.len))
		complain(r, "the line is not UTF-8; save the file as UTF-8");
	else if (has_control(s))
		complain(r, "the line has a control character; remove it");
	else if (has_hash(s))
		complain(r, "'#' begins a comment only at the start of a line; write ' ;' here");
	else
		return true;
	return false;
}

/* True for what is surely meant as a header: "[hotcert]", "[word word]". An address is neither. */
static bool looks_like_header(struct span s)
{
	size_t spaces = 0;

	if (s.len < 3 || s.text[0] != '[' || s.text[s.len - 1] != ']')
		return false;
	if (s.len == strlen("[hotcert]") && !memcmp(s.text, "[hotcert]", s.len))
		return true;
	for (size_t i = 1; i < s.len - 1; i++) {
		if (s.text[i] == ' ')
			spaces++;
		else if (!isalnum((unsigned char)s.text[i]) && !strchr("_.@-", s.text[i]))
			return false;
	}
	return spaces == 1 && s.text[1] != ' ' && s.text[s.len - 2] != ' ';
}

/* A header, from its '[' on. */
static void take_header(struct reader *r, struct span s)
{
	const char *end = memchr(s.text, ']', s.len);
	struct span inside = {s.text + 1, end ? (size_t)(end - s.text) - 1 : 0};
	char name[INI_LINE_MAX + 1];

	r->place = LOST;
	r->in_key = false;
	inside = trim(inside);
	if (!end) {
		complain(r,
			 "the section has no ']'; write [hotcert], [watch NAME] or [PLUGIN NAME]");
	} else if (end != s.text + s.len - 1) {
		complain(r, "something follows the ']' of the section; begin a new line after it");
	} else if (!inside.len) {
		complain(r,
			 "the section has no name; write [hotcert], [watch NAME] or [PLUGIN NAME]");
	} else {
		memcpy(name, inside.text, inside.len);
		name[inside.len] = '\0';
		r->place = INSIDE;
		r->sink->section(r->data, name, r->line);
	}
}

/* A line that inih took and made nothing of. */
static void check_awaited(struct reader *r)
{
	if (!r->awaited)
		return;
	r->awaited = false;
	r->dropped = true;
	if (r->place != LOST)
		complain(r,
			 "the line is neither [SECTION] nor KEY = VALUE; to continue the value of "
			 "the line above, indent it");
}

/* Takes the next line off the file; false at its end. */
static bool next_line(struct reader *r, struct span *ret)
{
	const char *end;

	if (r->next == r->end)
		return false;
	r->line++;
	end = memchr(r->next, '\n', (size_t)(r->end - r->next));
	*ret = (struct span){r->next, (size_t)((end ? end : r->end) - r->next)};
	r->next = end ? end + 1 : r->end;
	if (!memchr(ret->text, '\0', ret->len))
		return true;
	complain(r, "the line has a NUL byte; save the file as plain text in UTF-8");
	r->next = r->end;
	return false;
}

/* What inih gets to see of a line: "" is nothing. */
static const char *hand_over(struct reader *r, struct span line, int size)
{
	struct span bare = trim(line);
	bool more = r->in_key && is_space(line.text[0]);

	r->indented = is_space(line.text[0]);
	if (!line_fits(r, line, size)) {
		r->dropped = true;
		return more ? "" : "refused=\n";
	}
	if (more && looks_like_header(bare)) {
		complain(r, "an indented line continues the key above; a section must begin at the "
			    "start of its line");
		r->place = LOST;
		return "";
	}
	if (!more && bare.text[0] == '[') {
		take_header(r, bare);
		return "[]\n"; /* enough to make inih forget the last key */
	}
	r->awaited = true;
	return NULL;
}

/* inih's reader (ini_parse_stream): the next line that holds something, as fgets(3) would. */
static char *read_line(char *buf, int size, void *stream)
{
	struct reader *r = stream;
	struct span line;
	const char *instead;

	check_awaited(r);
	while (next_line(r, &line)) {
		line = strip(line);
		instead = line.len ? hand_over(r, line, size) : "";
		if (instead && !*instead)
			continue;
		if (instead)
			return strcpy(buf, instead);
		memcpy(buf, line.text, line.len);
		strcpy(buf + line.len, "\n");
		return buf;
	}
	return NULL;
}

/* A key's first line; false where it is refused. */
static bool key_fits(struct reader *r, const char *name)
{
	if (r->place == BEFORE) {
		complain(r,
			 "%s: the key stands before the first section; write [hotcert], "
			 "[watch NAME] or [PLUGIN NAME] above it",
			 name);
		r->place = LOST; /* said once */
	} else if (!*name) {
		complain(r, "the '=' has no key before it; write KEY = VALUE");
	} else if (strlen(name) > INI_KEY_MAX) {
		complain(r, "%s: the name of the key has more than %d bytes; no key's has", name,
			 INI_KEY_MAX);
	} else {
		return true;
	}
	return false;
}

/* inih's handler. Its section is cut at 50 bytes, and a continued key's name too: not used. */
static int take_key(void *data, const char *section, const char *name, const char *value)
{
	struct reader *r = data;
	bool more = r->in_key && r->indented, refused = !r->awaited;

	(void)section;
	r->awaited = false;
	r->in_key = true;
	if (refused || r->place == LOST)
		return 1;
	if (more) {
		if (!r->dropped)
			r->sink->more(r->data, value, r->line);
		return 1;
	}
	r->dropped = !key_fits(r, name);
	if (!r->dropped)
		r->sink->key(r->data, name, value, r->line);
	return 1;
}

/* Why a file cannot be read, and what to do. */
static const char *why_unreadable(int error, const char *path)
{
	struct stat st;

	switch (error) {
	case -EINVAL:
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			return "is a directory; a drop-in must be a regular file";
		return "is not a regular file; a drop-in must be one";
	case -ENOENT:
		return "cannot be read: No such file or directory; it is a link to nothing: mend "
		       "it, "
		       "or link it to /dev/null to mask the drop-in";
	case -EFBIG:
		return "is larger than 8 MiB; that is no drop-in";
	case -EAGAIN:
		return "changes all the time while it is read; try again when it is at rest";
	case -EACCES:
	case -EPERM:
		return "cannot be read: Permission denied; make it readable for the user that "
		       "hotcertd "
		       "runs as";
	default:
		return NULL;
	}
}

static int read_file(const char *path, char **ret_text, size_t *ret_len)
{
	int r = -EAGAIN;

	for (int i = 0; i < READ_TRIES && r == -EAGAIN; i++)
		r = fs_read(path, INI_FILE_MAX, ret_text, ret_len, NULL);
	return r;
}

int ini_read(const char *path, const struct ini_sink *sink, void *data, struct errors *errors)
{
	struct reader r = {.path = path, .sink = sink, .data = data, .errors = errors};
	cleanup_free char *text = NULL;
	const char *why;
	size_t len = 0;
	int error = read_file(path, &text, &len);

	if (error == -ENOMEM)
		return error;
	if (error < 0) {
		why = why_unreadable(error, path);
		errors_add(errors, "%s: %s", path, why ? why : strerror(-error));
		return 1;
	}
	r.next = text;
	r.end = text + len;
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) /* what some editors put first: a BOM */
		r.next += 3;
	if (ini_parse_stream(read_line, &r, take_key, &r) == -2)
		return -ENOMEM;
	return r.n_errors ? 1 : 0;
}
