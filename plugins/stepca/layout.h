/*
 * stepca/layout - where the files really are, behind the links of a directory
 *
 * A directory may be laid out in generations: a link, as `current -> gen-7`, beside the directory
 * that it leads to, through which the files are reached. A new pair then gets a directory of its
 * own and one rename of the link swaps key and certificate together.
 */
#ifndef HC_STEPCA_LAYOUT_H
#define HC_STEPCA_LAYOUT_H

#include <stddef.h>

/*
 * The file that a path leads to: the path itself where it is no link, else what the last of the
 * links names. -EXDEV: that lies outside of `directory`, or beside the path where the path does not
 * lie in it; -ELOOP; -ENOMEM. It need not exist. Free *ret with free(3).
 */
int layout_resolve(const char *path, const char *directory, char **ret);

/* A directory of generations. */
struct layout {
	char *holder;  /* the directory with the link in it; NULL: not laid out so */
	char *link;    /* the link's name */
	char *current; /* where it leads: a name in holder that ends with digits */
};

/* Finds out how the directory of a file (of layout_resolve()) is laid out. -ENOMEM. */
int layout_find(struct layout *layout, const char *file);
void layout_finish(struct layout *layout);

/*
 * Makes the directory of the next generation, all files of the current one linked into it, open to
 * nobody yet. -ENOTSUP: the current one holds directories or other things. Free *ret_path with
 * free(3). Give it to layout_commit() or layout_discard().
 */
int layout_prepare(const struct layout *layout, char **ret_path);

/* Gives it access like the current one's, and swaps the link. Older generations of our making go.
 */
int layout_commit(const struct layout *layout, const char *path);
void layout_discard(const char *path);

#endif
