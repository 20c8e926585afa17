/*
 * model/config_sections - the sections of all drop-ins, merged
 *
 * A later file overrides keys of an earlier one; an empty value takes a key back. In one file a
 * section may be opened once and a key given once: twice would be read as "the last counts" by some
 * and as "both count" by others.
 */
#include "model/config_sections.h"

#include "model/config_expand.h"
#include "model/ini.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* More than any plugin has; keeps a mad file from costing quadratic time. */
#define KEYS_MAX 256

/* Names become names of files and units. */
#define NAME_MAX_LEN 100

__attribute__((format(printf, 3, 4))) static void complain(struct sections *s, unsigned line,
							   const char *format, ...)
{
	struct str text = {0};
	va_list args;

	if (++s->n_complaints > INI_ERRORS_MAX)
		return;
	va_start(args, format);
	str_addv(&text, format, args);
	va_end(args);
	errors_add(s->errors, "%s:%u: %s", s->file, line, str_get(&text));
	str_finish(&text);
}

static int compare_titles(const void *a, const void *b)
{
	const struct section *x = a, *y = b;

	return strcmp(x->title, y->title);
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The one copy of a word. NULL: out of memory. */
static char *keep_word(struct sections *s, const char *word)
{
	char **found = tfind(word, &s->words, compare_words);
	char *copy;

	if (found)
		return *found;
	copy = arena_strdup(s->arena, word);
	if (!copy || !tsearch(copy, &s->words, compare_words)) {
		s->failed = true;
		return NULL;
	}
	return copy;
}

/* ---- keys ---- */

/* Appends a line to the value at hand. */
static void add_line(struct sections *s, const char *text, unsigned line)
{
	struct str why = {0};

	if (s->value.len)
		str_add(&s->value, "\n");
	if (config_expand(&s->value, text, &why) < 0)
		complain(s, line, "[%s] %s: %s", s->now->title, s->entry->key, str_get(&why));
	str_finish(&why);
}

/* Puts the value at hand in its place: the next key, section or the end of the file has come. */
static void end_key(struct sections *s)
{
	if (!s->entry)
		return;
	s->entry->value = arena_strndup(&s->scratch, str_get(&s->value), s->value.len);
	if (!s->entry->value || s->value.failed)
		s->failed = true;
	s->entry = NULL;
	str_clear(&s->value);
}

static struct config_entry *find_entry(struct section *section, const char *key)
{
	for (size_t i = 0; i < section->n_entries; i++)
		if (!strcmp(section->entries[i].key, key))
			return &section->entries[i];
	return NULL;
}

static struct config_entry *add_entry(struct sections *s, const char *key)
{
	struct section *section = s->now;

	if (section->n_entries == section->size) {
		size_t size = section->size ? section->size * 2 : 8;
		struct config_entry *entries =
			reallocarray(section->entries, size, sizeof(*entries));

		if (!entries) {
			s->failed = true;
			return NULL;
		}
		section->entries = entries;
		section->size = size;
	}
	section->entries[section->n_entries] = (struct config_entry){.key = keep_word(s, key)};
	if (s->failed)
		return NULL;
	return &section->entries[section->n_entries++];
}

static void on_key(void *data, const char *key, const char *value, unsigned line)
{
	struct sections *s = data;
	struct config_entry *entry;

	end_key(s);
	if (!s->now || s->failed)
		return;
	entry = find_entry(s->now, key);
	if (entry && entry->where.file == s->file) {
		complain(s, line,
			 "[%s] %s: is given twice, first in line %u; remove one, or put the words "
			 "of a "
			 "list on indented lines below one",
			 s->now->title, key, entry->where.line);
		return;
	}
	if (!entry && s->now->n_entries == KEYS_MAX) {
		complain(s, line, "[%s] %s: the section has more than %d keys", s->now->title, key,
			 KEYS_MAX);
		s->now = NULL;
		return;
	}
	if (!entry)
		entry = add_entry(s, key);
	if (!entry)
		return;
	entry->where = (struct config_where){s->file, line};
	s->entry = entry;
	add_line(s, value, line);
}

static void on_more(void *data, const char *value, unsigned line)
{
	struct sections *s = data;

	if (s->entry)
		add_line(s, value, line);
}

/* ---- sections ---- */

/* Splits "kind name" in place; -EINVAL: more than two words. */
static int split(char *text, char **ret_kind, char **ret_name)
{
	char *rest = NULL;

	*ret_kind = strtok_r(text, " \t", &rest);
	*ret_name = strtok_r(NULL, " \t", &rest);
	return strtok_r(NULL, " \t", &rest) ? -EINVAL : 0;
}

static bool name_fits(const char *name)
{
	size_t len = strlen(name);

	return len <= NAME_MAX_LEN && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@-") ==
		       len;
}

/* Says what is wrong with a header of one word, which only [hotcert] may be. */
static void complain_word(struct sections *s, const char *kind, unsigned line)
{
	static const char *const known[] = {"hotcert"};

	if (!strcmp(kind, "watch"))
		complain(s, line, "[watch] needs a name; write [watch NAME]");
	else if (str_nearest(kind, known, 1))
		complain(s, line, "unknown section [%s]; did you mean [hotcert]?", kind);
	else
		complain(s, line,
			 "unknown section [%s]; write [hotcert], [watch NAME], or [%s NAME] where "
			 "%s is "
			 "a plugin",
			 kind, kind, kind);
}

/* False, with a complaint, where there can be no such section. */
static bool header_fits(struct sections *s, const char *kind, const char *name, unsigned line)
{
	if (!name && !strcmp(kind, "hotcert"))
		return true;
	if (!name)
		complain_word(s, kind, line);
	else if (!strcmp(kind, "hotcert"))
		complain(s, line,
			 "[hotcert %s]: the daemon's own section has no name; write [hotcert]",
			 name);
	else if (!name_fits(kind))
		complain(s, line,
			 "[%s %s]: \"%s\" cannot be the name of a plugin; write [watch NAME] or "
			 "[PLUGIN NAME]",
			 kind, name, kind);
	else if (!name_fits(name))
		complain(s, line,
			 "[%s %s]: \"%s\" is not a name; use at most %d of A-Z a-z 0-9 _ @ - and "
			 "'.', "
			 "which must not come first",
			 kind, name, name, NAME_MAX_LEN);
	else
		return true;
	return false;
}

static struct section *add_section(struct sections *s, const char *kind, const char *name)
{
	struct section *section = arena_alloc(&s->scratch, sizeof(*section));
	struct str title = {0};

	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 16;
		struct section **list = reallocarray(s->list, size, sizeof(*list));

		if (!list)
			return NULL;
		s->list = list;
		s->size = size;
	}
	str_addf(&title, name ? "%s %s" : "%s", kind, name);
	if (section && !title.failed) {
		section->title = arena_strndup(&s->scratch, str_get(&title), title.len);
		section->kind = keep_word(s, kind);
	}
	str_finish(&title);
	if (!section || !section->title || !section->kind)
		return NULL;
	section->name = name ? section->title + strlen(kind) + 1 : NULL;
	if (!tsearch(section, &s->by_title, compare_titles))
		return NULL;
	s->list[s->n++] = section;
	return section;
}

static void on_section(void *data, const char *text, unsigned line)
{
	struct sections *s = data;
	struct config_where here = {s->file, line};
	char copy[INI_LINE_MAX + 1], *kind, *name;
	struct section *section;

	end_key(s);
	s->now = NULL;
	if (split(strcpy(copy, text), &kind, &name) < 0) {
		complain(s, line,
			 "[%s] has more than two words; write [hotcert], [watch NAME] or "
			 "[PLUGIN NAME]",
			 text);
		return;
	}
	if (!header_fits(s, kind, name, line))
		return;
	section = sections_find(s, kind, name);
	if (section && section->opened.file == s->file) {
		complain(s, line,
			 "[%s] is there twice in this file, first in line %u; put all its keys "
			 "there, or "
			 "give this one a name of its own",
			 section->title, section->opened.line);
		return;
	}
	if (!section) {
		section = add_section(s, kind, name);
		if (!section) {
			s->failed = true;
			return;
		}
		section->where = here;
	}
	section->opened = here;
	s->now = section;
}

/* ---- the whole ---- */

void sections_init(struct sections *s, struct arena *arena, struct errors *errors)
{
	*s = (struct sections){.arena = arena, .errors = errors};
}

static void keep_node(void *node)
{
	(void)node; /* it is an arena's */
}

void sections_finish(struct sections *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->list[i]->entries);
	free(s->list);
	tdestroy(s->by_title, keep_node);
	tdestroy(s->words, keep_node);
	str_finish(&s->value);
	arena_finish(&s->scratch);
	*s = (struct sections){0};
}

struct section *sections_find(const struct sections *s, const char *kind, const char *name)
{
	struct str title = {0};
	struct section key;
	struct section **found = NULL;

	str_addf(&title, name ? "%s %s" : "%s", kind, name);
	key.title = title.data;
	if (!title.failed)
		found = tfind(&key, &s->by_title, compare_titles);
	str_finish(&title);
	return found ? *found : NULL;
}

int sections_read(struct sections *s, const char *path)
{
	static const struct ini_sink sink = {on_section, on_key, on_more};
	int r;

	s->file = arena_strdup(s->arena, path);
	if (!s->file)
		return -ENOMEM;
	s->now = NULL;
	s->n_complaints = 0;
	r = ini_read(s->file, &sink, s, s->errors);
	end_key(s);
	return s->failed ? -ENOMEM : r;
}

void sections_settle(struct sections *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct section *section = s->list[i];
		size_t n = 0;

		for (size_t k = 0; k < section->n_entries; k++)
			if (*section->entries[k].value)
				section->entries[n++] = section->entries[k];
		section->n_entries = n;
	}
}
