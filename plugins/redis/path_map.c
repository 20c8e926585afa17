#include "redis/path_map.h"

#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Without the slashes at its end. */
static char *copy_dir(const char *text, size_t len)
{
	char *copy;

	while (len > 0 && text[len - 1] == '/')
		len--;
	copy = strndup(text, len);
	if (copy)
		path_tidy(copy);
	return copy;
}

int path_map_add(struct path_map *map, const char *text, const char **ret_why)
{
	const char *colon = strchr(text, ':');
	struct path_pair *pairs, pair;

	if (!colon || text[0] != '/' || colon[1] != '/' || strchr(colon + 1, ':')) {
		*ret_why = "is not a pair of paths; write /here:/there";
		return -EINVAL;
	}
	pairs = realloc(map->pairs, (map->n + 1) * sizeof(*pairs));
	if (!pairs)
		return -ENOMEM;
	map->pairs = pairs;
	pair.ours = copy_dir(text, (size_t)(colon - text));
	pair.theirs = copy_dir(colon + 1, strlen(colon + 1));
	map->pairs[map->n++] = pair;
	return pair.ours && pair.theirs ? 0 : -ENOMEM;
}

void path_map_finish(struct path_map *map)
{
	for (uint32_t i = 0; i < map->n; i++) {
		free(map->pairs[i].ours);
		free(map->pairs[i].theirs);
	}
	free(map->pairs);
	*map = (struct path_map){.n = 0};
}

/* Whether the path is the directory, or lies in it. */
static int covers(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

char *path_map_apply(const struct path_map *map, const char *path)
{
	const struct path_pair *best = NULL;
	char *mapped;

	for (uint32_t i = 0; i < map->n; i++)
		if (covers(map->pairs[i].ours, path) &&
		    (!best || strlen(map->pairs[i].ours) > strlen(best->ours)))
			best = &map->pairs[i];
	if (!best)
		return strdup(path);
	if (asprintf(&mapped, "%s%s", best->theirs, path + strlen(best->ours)) < 0)
		return NULL;
	return mapped;
}

void path_tidy(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		if (from[0] == '/' && from[1] == '/')
			continue;
		if (from[0] == '/' && from[1] == '.' && from[2] == '/') {
			from++;
			continue;
		}
		*to++ = *from;
	}
	*to = '\0';
}
