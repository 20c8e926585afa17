/*
 * base/fs - files as a whole: bounded reading, atomic replacement
 */
#ifndef HC_BASE_FS_H
#define HC_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * Reads a regular file of at most max bytes into *ret_data (free with free(3); a NUL byte is added)
 * and its stat(2) into *ret_st. Never blocks on a FIFO or device. Negative errno: -EINVAL is not a
 * regular file, -EFBIG is larger than max, -EAGAIN changed while it was read.
 */
int fs_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct stat *ret_st);

/*
 * Replaces path by data: a temporary file in the same directory with owner and mode set before it
 * has content, fsync(2), rename(2), fsync of the directory. uid or gid -1: left as created. On a
 * negative errno nothing has changed and nothing is left behind.
 */
int fs_replace(const char *path, const void *data, size_t len, mode_t mode, uid_t uid, gid_t gid);

/* Who may do what with a new file. */
struct fs_access {
	mode_t mode;
	uid_t uid; /* -1: left as created */
	gid_t gid;
	const char *like; /* a file whose SELinux label it gets; NULL, or not there: none */
	bool keep_acl;	  /* and whose ACL, which wins over mode */
};

/* fs_replace() with all of it. */
int fs_replace_as(const char *path, const void *data, size_t len, const struct fs_access *access);

/* Makes a directory and its missing parents, mode 0755 but the last. 0 where it exists. */
int fs_mkdir(const char *path, mode_t mode);

/* Wipes and frees memory that held a secret; data may be NULL. */
void fs_wipe_free(char *data, size_t len);

#endif
