/*
 * redis/preflight - what is checked before a server is touched
 *
 * That the key belongs to the certificate the host has seen to: a snapshot is whole.
 */
#ifndef HC_REDIS_PREFLIGHT_H
#define HC_REDIS_PREFLIGHT_H

#include "redis/files.h"

#include <stdint.h>

/*
 * The files are in date, the server would not refuse its CA file, and its process may read them
 * where that can be known. now: milliseconds since 1970. Returns 0, or one line in why and -EINVAL,
 * or -ENOENT: the server does not see a file, which may pass.
 */
int preflight_check(const struct wanted *wanted, const struct server *server,
		    const struct files_use *use, const struct view *view, int64_t now, char *why,
		    size_t why_size);

#endif
