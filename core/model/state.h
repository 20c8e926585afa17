/*
 * model/state - what an instance must still know after a restart: one small JSON file each
 *
 * state_dir/PLUGIN/NAME.json is read and replaced as a whole (atomic, fsync'd), never kept in
 * memory.
 */
#ifndef HC_MODEL_STATE_H
#define HC_MODEL_STATE_H

#include <stddef.h>
#include <stdint.h>

#define STATE_VALUE_MAX 4096

/* The tries of the job at hand, so that a crash loop is no retry storm. */
struct state_job {
	uint32_t attempts;  /* 0: none failed */
	int32_t status;	    /* HC_RETRY or HC_FAILED of the last one */
	int64_t retry_at;   /* wall clock, milliseconds */
	uint8_t digest[32]; /* of the snapshot they were for */
};

/* The file's path, to be freed with free(3); NULL: no memory. */
char *state_path(const char *state_dir, const char *plugin, const char *name);

/* A plugin's value: its length (larger than size: nothing copied), or -ENOENT, or what failed. */
int64_t state_get(const char *path, const char *key, void *buf, size_t size);
/* len 0 removes. 0, -E2BIG, or what failed; the old value stays then. */
int state_set(const char *path, const char *key, const void *data, size_t len);

/* The tries: 0, -ENOENT, or what failed. NULL to set means none, and is cheap where there were
 * none. */
int state_get_job(const char *path, struct state_job *ret);
int state_set_job(const char *path, const struct state_job *job);

#endif
