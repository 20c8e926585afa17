/*
 * model/snapshot - what lies in a watched directory, read as a whole
 *
 * A snapshot is one block of memory, immutable and counted; the public part is what plugins see. No
 * byte of a private key is ever in it.
 *
 * Its state is that of its worst file: BROKEN is worse than MISSING, MISSING than EXPIRED, EXPIRED
 * than WHOLE. Its error is that file's error.
 */
#ifndef HC_MODEL_SNAPSHOT_H
#define HC_MODEL_SNAPSHOT_H

#include "model/config.h"

#include <hotcert/plugin.h>

struct snapshot {
	unsigned refs;
	int64_t judged_ms;	/* the now_ms it was read with */
	int64_t password_stamp; /* ctime of key_password_file in ns; 0: none was needed or there */
	struct hc_snapshot pub;
	/* the rest of the block: files, certificates, strings, bytes */
};

enum {
	SNAPSHOT_SAME = 1,
};

/*
 * Reads a watch's files now. Returns 0 and a new snapshot with one reference, SNAPSHOT_SAME where
 * content, modes, owners and state equal those of previous (may be NULL), or a negative errno
 * (memory or descriptors ran out: what is wrong with files is said in the snapshot). now_ms: wall
 * clock, for validity. generation is given to the new snapshot as it is. Blocks for as long as the
 * file system does.
 *
 * Role `cert` is checked in full: order, dates, and that `key` is its key. `ca` may hold any
 * certificates. A file of `match` may hold anything: where it has certificates they must be whole;
 * a private key or other content is no error. Bytes are kept of files that have certificates,
 * without the private keys among them.
 */
int snapshot_read(const struct config_watch *watch, uint64_t generation, int64_t now_ms,
		  const struct snapshot *previous, struct snapshot **ret_snapshot);

struct snapshot *snapshot_ref(struct snapshot *s);   /* takes NULL */
struct snapshot *snapshot_unref(struct snapshot *s); /* takes NULL, returns NULL */

/* The file of a role ("cert", "key", "ca"), or NULL. */
const struct hc_file *snapshot_role(const struct snapshot *s, const char *role);

/*
 * When its state changes by itself: the leaf becomes valid, or expires, at that very millisecond
 * (as X509_cmp_time(3) has it). INT64_MAX: never.
 */
int64_t snapshot_next_change(const struct snapshot *s, int64_t now_ms);

/*
 * When the leaf of `cert` expires, or, where there is no such role, the first of the files' first
 * certificates; for status and metrics. INT64_MAX: no certificate.
 */
int64_t snapshot_not_after(const struct snapshot *s);

#endif
