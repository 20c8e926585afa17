#include "trust/links.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROW_MAX 1000 /* roots of one name */
#define TEMPORARY ".hotcert-link"

/* "01234567.8" into its parts. */
static bool parse(const char *name, char hash[LINKS_HASH], unsigned *ret_number)
{
	char *end;

	for (size_t i = 0; i < LINKS_HASH - 1; i++)
		if (!isxdigit((unsigned char)name[i]))
			return false;
	if (name[LINKS_HASH - 1] != '.' || !isdigit((unsigned char)name[LINKS_HASH]))
		return false;
	memcpy(hash, name, LINKS_HASH - 1);
	hash[LINKS_HASH - 1] = '\0';
	*ret_number = (unsigned)strtoul(name + LINKS_HASH, &end, 10);
	return *end == '\0' && *ret_number < ROW_MAX;
}

/* Where a link of a row leads; false where there is none of that number. */
static bool target_of(int dir, const char *hash, unsigned number, char ret[PATH_MAX])
{
	char name[32];
	ssize_t n;

	snprintf(name, sizeof(name), "%s.%u", hash, number);
	n = readlinkat(dir, name, ret, PATH_MAX - 1);
	if (n < 0)
		return false;
	ret[n] = '\0';
	return true;
}

static int add_row(struct links *links, const char *hash)
{
	char(*hashes)[LINKS_HASH];

	for (size_t i = 0; i < links->n; i++)
		if (strcmp(links->hashes[i], hash) == 0)
			return 0;
	hashes = realloc(links->hashes, (links->n + 1) * sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	links->hashes = hashes;
	memcpy(hashes[links->n++], hash, LINKS_HASH);
	return 0;
}

/* In one step, so that nobody finds the link missing. */
static int point_name_to(int dir, const char *name, const char *target)
{
	if (unlinkat(dir, TEMPORARY, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(target, dir, TEMPORARY) < 0 || renameat(dir, TEMPORARY, dir, name) < 0)
		return -errno;
	return 0;
}

static int point_to(int dir, const char *hash, unsigned number, const char *target)
{
	char name[32];

	snprintf(name, sizeof(name), "%s.%u", hash, number);
	return point_name_to(dir, name, target);
}

/* What the searches below go by. */
struct search {
	int dir;
	const char *from;
	const char *instead;
	bool (*stays)(void *data, const char *target);
	void *data;
	struct links *rows;
};

static int release(const struct search *s, const char *hash, unsigned number)
{
	char target[PATH_MAX], heir[PATH_MAX];

	snprintf(heir, sizeof(heir), "%s", s->instead);
	for (unsigned i = number + 1; target_of(s->dir, hash, i, target); i++)
		if (s->stays(s->data, target))
			memcpy(heir, target, strlen(target) + 1);
	return point_to(s->dir, hash, number, heir);
}

static int release_if(const struct search *s, const char *name)
{
	char hash[LINKS_HASH], target[PATH_MAX];
	unsigned number;
	int r;

	if (!parse(name, hash, &number) || !target_of(s->dir, hash, number, target) ||
	    strcmp(target, s->from) != 0)
		return 0;
	r = add_row(s->rows, hash);
	return r < 0 ? r : release(s, hash, number);
}

/* Opens the directory once more, to be read from its beginning. NULL and errno. */
static DIR *open_stream(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream && fd >= 0)
		close(fd);
	return stream;
}

int links_release(int dir, const char *from, const char *instead,
		  bool (*stays)(void *data, const char *target), void *data, struct links *ret)
{
	struct search search = {dir, from, instead, stays, data, ret};
	DIR *stream = open_stream(dir);
	struct dirent *file;
	int r = 0;

	if (!stream)
		return -errno;
	while (r == 0 && (file = readdir(stream)))
		r = release_if(&search, file->d_name);
	closedir(stream);
	return r;
}

static bool is_needless(const struct search *s, const char *hash, unsigned number)
{
	char target[PATH_MAX], other[PATH_MAX];
	struct stat st;

	if (!target_of(s->dir, hash, number, target))
		return false;
	if (!s->stays(s->data, target) || fstatat(s->dir, target, &st, 0) < 0)
		return true;
	for (unsigned i = 0; i < number; i++)
		if (target_of(s->dir, hash, i, other) && strcmp(target, other) == 0)
			return true;
	return false;
}

static int remove_last(const struct search *s, const char *hash, unsigned last)
{
	char name[32];

	snprintf(name, sizeof(name), "%s.%u", hash, last);
	return unlinkat(s->dir, name, 0) < 0 ? -errno : 0;
}

/* From the end: the last one takes the place of one that is needless, and leaves its own. */
static void tidy_row(const struct search *s, const char *hash)
{
	char last[PATH_MAX];
	unsigned n = 0;

	while (n < ROW_MAX && target_of(s->dir, hash, n, last))
		n++;
	for (unsigned i = n; i-- > 0;) {
		if (!is_needless(s, hash, i))
			continue;
		if (!target_of(s->dir, hash, --n, last) ||
		    (i != n && point_to(s->dir, hash, i, last) < 0) || remove_last(s, hash, n) < 0)
			return;
	}
}

void links_tidy(int dir, const struct links *links, bool (*stays)(void *data, const char *target),
		void *data)
{
	struct search search = {.dir = dir, .stays = stays, .data = data};

	for (size_t i = 0; i < links->n; i++)
		tidy_row(&search, links->hashes[i]);
}

static int rebase(int dir, const char *name, const char *prefix, const char *instead)
{
	size_t cut = strlen(prefix);
	char target[PATH_MAX], rebased[2 * PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0 || (size_t)n <= cut || memcmp(target, prefix, cut) != 0 || target[cut] != '/')
		return 0;
	snprintf(rebased, sizeof(rebased), "%s%.*s", instead, (int)n - (int)cut, target + cut);
	return point_name_to(dir, name, rebased);
}

int links_rebase(int dir, const char *prefix, const char *instead)
{
	DIR *stream = open_stream(dir);
	struct dirent *file;
	int r = 0;

	if (!stream)
		return -errno;
	while (r == 0 && (file = readdir(stream)))
		r = rebase(dir, file->d_name, prefix, instead);
	closedir(stream);
	return r;
}

void links_finish(struct links *links)
{
	free(links->hashes);
	*links = (struct links){0};
}
