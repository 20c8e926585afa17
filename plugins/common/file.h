/*
 * common/file - a whole small file in memory
 */
#ifndef HC_COMMON_FILE_H
#define HC_COMMON_FILE_H

#include <stddef.h>

/*
 * Reads a regular file of at most max bytes; NUL-terminated, free with free(3). A FIFO or a device
 * is -EINVAL and never waited for, a longer file -EFBIG; else a negative errno.
 */
int file_load(const char *path, size_t max, char **ret_text, size_t *ret_len);

#endif
