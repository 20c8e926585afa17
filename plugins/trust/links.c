#include "trust/links.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
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

static void place_name(const char *hash, unsigned number, char ret[32])
{
	snprintf(ret, 32, "%s.%u", hash, number);
}

/* Where a link of a row leads; false where there is none of that number. */
static bool target_of(int dir, const char *hash, unsigned number, char ret[PATH_MAX])
{
	char name[32];
	ssize_t n;

	place_name(hash, number, name);
	n = readlinkat(dir, name, ret, PATH_MAX - 1);
	if (n < 0)
		return false;
	ret[n] = '\0';
	return true;
}

int links_note(struct links *links, const char *hash)
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

	place_name(hash, number, name);
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

static int release_if(void *data, const char *name)
{
	const struct search *s = data;
	char hash[LINKS_HASH], target[PATH_MAX];
	unsigned number;
	int r;

	if (!parse(name, hash, &number) || !target_of(s->dir, hash, number, target) ||
	    strcmp(target, s->from) != 0)
		return 0;
	r = links_note(s->rows, hash);
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

/* Calls fn for each name in the directory, until it returns another number than 0. That or -errno.
 */
static int each_name(int dir, int (*fn)(void *data, const char *name), void *data)
{
	DIR *stream = open_stream(dir);
	struct dirent *file;
	int r = 0;

	if (!stream)
		return -errno;
	while (r == 0 && (file = readdir(stream)))
		r = fn(data, file->d_name);
	closedir(stream);
	return r;
}

int links_release(int dir, const char *from, const char *instead,
		  bool (*stays)(void *data, const char *target), void *data, struct links *ret)
{
	struct search search = {dir, from, instead, stays, data, ret};

	return each_name(dir, release_if, &search);
}

/* True where the row has that number, whatever it is. */
static bool is_taken(int dir, const char *hash, unsigned number)
{
	struct stat st;
	char name[32];

	place_name(hash, number, name);
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A file stays: others have put it there. */
static bool place_stays(const struct search *s, const char *hash, unsigned number)
{
	char target[PATH_MAX];

	if (!target_of(s->dir, hash, number, target))
		return is_taken(s->dir, hash, number);
	return s->stays(s->data, target);
}

/* A second place for what is in one: a link, or a file. */
static int give_place(int dir, const char *hash, unsigned from, unsigned to)
{
	char target[PATH_MAX], name[32], place[32];

	if (target_of(dir, hash, from, target))
		return point_to(dir, hash, to, target);
	place_name(hash, from, name);
	place_name(hash, to, place);
	if (unlinkat(dir, TEMPORARY, 0) < 0 && errno != ENOENT)
		return -errno;
	return linkat(dir, name, dir, TEMPORARY, 0) < 0 || renameat(dir, TEMPORARY, dir, place) < 0
		       ? -errno
		       : 0;
}

static int drop_place(int dir, const char *hash, unsigned number)
{
	char name[32];

	place_name(hash, number, name);
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

struct row {
	const char *hash;
	unsigned end; /* the number behind its last one, holes or not */
};

static int measure(void *data, const char *name)
{
	struct row *row = data;
	char hash[LINKS_HASH];
	unsigned number;

	if (parse(name, hash, &number) && strcmp(hash, row->hash) == 0 && number >= row->end)
		row->end = number + 1;
	return 0;
}

/* `openssl rehash`, which others run, leaves holes: of two links to one file it takes one away. */
static int tidy_row(const struct search *s, const char *hash)
{
	struct row row = {.hash = hash};
	int r = each_name(s->dir, measure, &row);
	unsigned n = row.end;

	for (; r == 0 && n > 0 && !place_stays(s, hash, n - 1); n--)
		r = drop_place(s->dir, hash, n - 1);
	for (unsigned i = 0; r == 0 && i + 1 < n; i++)
		if (!place_stays(s, hash, i))
			r = give_place(s->dir, hash, n - 1, i);
	return r;
}

int links_tidy(int dir, const struct links *links, bool (*stays)(void *data, const char *target),
	       void *data)
{
	struct search search = {.dir = dir, .stays = stays, .data = data};
	int r = 0;

	for (size_t i = 0; r == 0 && i < links->n; i++)
		r = tidy_row(&search, links->hashes[i]);
	return r;
}

/* The place of a root in its row, the last one where it has several; -ENOENT. */
static int place_of(int dir, const char *hash, const char *target)
{
	char there[PATH_MAX];
	int place = -ENOENT;

	for (unsigned i = 0; i < ROW_MAX && is_taken(dir, hash, i); i++)
		if (target_of(dir, hash, i, there) && strcmp(there, target) == 0)
			place = (int)i;
	return place;
}

/* True for a place whose root has another one behind it. */
static bool is_spare(int dir, const char *hash, unsigned number)
{
	char target[PATH_MAX];

	return target_of(dir, hash, number, target) && place_of(dir, hash, target) > (int)number;
}

int links_add(int dir, const char *hash, const char *target)
{
	char name[32];
	unsigned i = 0;

	if (place_of(dir, hash, target) >= 0)
		return 0;
	while (i < ROW_MAX && is_taken(dir, hash, i) && !is_spare(dir, hash, i))
		i++;
	if (i == ROW_MAX)
		return -ENOSPC;
	if (is_taken(dir, hash, i))
		return point_to(dir, hash, i, target);
	place_name(hash, i, name);
	return symlinkat(target, dir, name) < 0 ? -errno : 0;
}

bool links_hash(const char *pem, char ret[LINKS_HASH])
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool is_cert = cert;

	if (is_cert)
		snprintf(ret, LINKS_HASH, "%08lx", X509_NAME_hash(X509_get_subject_name(cert)));
	X509_free(cert);
	BIO_free(bio);
	ERR_clear_error();
	return is_cert;
}

static int rebase(void *data, const char *name)
{
	const struct search *s = data;
	size_t cut = strlen(s->from);
	char target[PATH_MAX], rebased[2 * PATH_MAX];
	ssize_t n = readlinkat(s->dir, name, target, sizeof(target) - 1);

	if (n < 0 || (size_t)n <= cut || memcmp(target, s->from, cut) != 0 || target[cut] != '/')
		return 0;
	snprintf(rebased, sizeof(rebased), "%s%.*s", s->instead, (int)n - (int)cut, target + cut);
	return point_name_to(s->dir, name, rebased);
}

int links_rebase(int dir, const char *prefix, const char *instead)
{
	struct search search = {.dir = dir, .from = prefix, .instead = instead};

	return each_name(dir, rebase, &search);
}

void links_finish(struct links *links)
{
	free(links->hashes);
	*links = (struct links){0};
}
