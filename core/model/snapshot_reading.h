/*
 * model/snapshot_reading - the steps of snapshot_read(), private to it: collect, judge, build
 */
#ifndef HC_MODEL_SNAPSHOT_READING_H
#define HC_MODEL_SNAPSHOT_READING_H

#include "model/snapshot.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <sys/stat.h>

/* One file while it is read and judged. */
struct part {
	const char *role; /* a constant: "cert", "key", "ca", "" */
	char *path;
	int err;	/* negative errno of reading it; -EAGAIN: it does not stop changing */
	struct stat st; /* zeroed where err is set */
	char *data;	/* may hold a private key: wiped by reading_finish() */
	size_t len;
	uint8_t sha256[32];
	X509 **certs;
	size_t n_certs;
	int32_t state;
	char *error; /* "PATH: what is wrong; what to do"; NULL: nothing */
};

/* Zeroed but for watch and now_ms it is empty. */
struct reading {
	const struct config_watch *watch;
	int64_t now_ms;
	int64_t password_stamp;
	struct part *parts;
	size_t n;
	int32_t state;
	char *error; /* of the directory itself, as a part's */
};

/* Lists and reads the files until none changes meanwhile. Negative errno: out of memory or
 * descriptors. */
int reading_collect(struct reading *r);

/* Parses and checks what was collected: sets certs, state and error. Negative errno: out of memory.
 */
int reading_judge(struct reading *r);

/* Lays it out as a snapshot, in one block. Negative errno: out of memory. */
int reading_build(const struct reading *r, uint64_t generation, struct snapshot **ret_snapshot);

/* Wipes and frees. */
void reading_finish(struct reading *r);

#endif
