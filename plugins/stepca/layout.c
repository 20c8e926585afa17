#include "stepca/layout.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 16 };

/* -- where a path leads ---------------------------------------------------------------------- */

/* The directory of an absolute path. Free with free(3). */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* What the link at a path names, as an absolute path. 0, 1: it is no link, -ENOMEM. */
static int follow(const char *path, char **ret)
{
	cleanup_free char *parent = NULL;
	char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return 1;
	target[len] = '\0';
	parent = parent_of(path);
	if (!parent)
		return -ENOMEM;
	*ret = NULL;
	if (target[0] == '/')
		*ret = strdup(target);
	else if (asprintf(ret, "%s/%s", parent, target) < 0)
		*ret = NULL;
	return *ret ? 0 : -ENOMEM;
}

static bool is_beneath(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	while (len > 0 && directory[len - 1] == '/')
		len--;
	return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Whether the directory of a file is within another one, all links followed. */
static int stays_within(const char *file, const char *directory)
{
	cleanup_free char *parent = parent_of(file);
	cleanup_free char *real_parent = NULL, *real_directory = NULL;

	if (!parent)
		return -ENOMEM;
	real_parent = realpath(parent, NULL);
	real_directory = realpath(directory, NULL);
	if (!real_parent || !real_directory)
		return errno == ENOMEM ? -ENOMEM : 0; /* writing there will say what is wrong */
	return is_beneath(real_parent, real_directory) ? 0 : -EXDEV;
}

int layout_resolve(const char *path, const char *directory, char **ret)
{
	cleanup_free char *file = strdup(path);
	cleanup_free char *beside = parent_of(path);
	int r = 0;

	if (!file || !beside)
		return -ENOMEM;
	for (int i = 0; r == 0; i++) {
		cleanup_free char *next = NULL;

		if (i == LINKS_MAX)
			return -ELOOP;
		r = follow(file, &next);
		if (r == 0) {
			free(file);
			file = steal(&next);
		}
	}
	if (r > 0)
		r = stays_within(file, is_beneath(path, directory) ? directory : beside);
	*ret = steal(&file);
	return r;
}

/* -- generations ------------------------------------------------------------------------------ */

/* How many digits a name ends with. */
static size_t digits_of(const char *name)
{
	size_t len = strlen(name), n = 0;

	while (n < len && name[len - 1 - n] >= '0' && name[len - 1 - n] <= '9')
		n++;
	return n;
}

int layout_find(struct layout *layout, const char *file)
{
	cleanup_free char *directory = parent_of(file);
	char target[NAME_MAX + 1];
	ssize_t len;

	layout_finish(layout);
	if (!directory)
		return -ENOMEM;
	len = readlink(directory, target, sizeof(target));
	if (len <= 0 || (size_t)len == sizeof(target))
		return 0;
	target[len] = '\0';
	if (strchr(target, '/') || digits_of(target) == 0)
		return 0;
	layout->holder = parent_of(directory);
	layout->link = strdup(strrchr(directory, '/') + 1);
	layout->current = strdup(target);
	if (layout->holder && layout->link && layout->current)
		return 0;
	layout_finish(layout);
	return -ENOMEM;
}

void layout_finish(struct layout *layout)
{
	free(layout->holder);
	free(layout->link);
	free(layout->current);
	*layout = (struct layout){0};
}
