/*
 * redis/path_map - how a path of this host is called on the server's side: containers, chroots
 */
#ifndef HC_REDIS_PATH_MAP_H
#define HC_REDIS_PATH_MAP_H

#include <stddef.h>
#include <stdint.h>

struct path_pair {
	char *ours, *theirs; /* absolute, without a slash at their end */
};

/* Zeroed, it maps nothing. */
struct path_map {
	struct path_pair *pairs;
	uint32_t n;
};

/*
 * Adds "/ours:/theirs", directories or files. Returns 0, -ENOMEM, or -EINVAL with *ret_why a
 * constant text that says what to write.
 */
int path_map_add(struct path_map *map, const char *text, const char **ret_why);
void path_map_finish(struct path_map *map);

/* The path as the server calls it, by the longest entry that covers it, or as it is; free(3) it.
 * NULL: out of memory. */
char *path_map_apply(const struct path_map *map, const char *path);

/* Takes "//" and "/./" out of a path, in place: two spellings of one path become equal. */
void path_tidy(char *path);

#endif
