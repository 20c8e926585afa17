/*
 * exec/describe - what a command is told about a snapshot, and how two of them are told apart
 */
#ifndef HC_EXEC_DESCRIBE_H
#define HC_EXEC_DESCRIBE_H

#include <hotcert/plugin.h>

#define DESCRIBE_DIGEST 32

/*
 * The HOTCERT_* variables of a snapshot as NAME=VALUE, NULL-terminated; README.md lists them. NULL:
 * out of memory. Free with describe_free().
 */
char **describe_env(const struct hc_snapshot *snapshot, const char *instance);
void describe_free(char **env); /* takes NULL */

/*
 * SHA-256 of all that decides whether the command must run: its words, user and group (may be
 * NULL), and each file's role, path, content, mode and owner. The generation is not part of it, so
 * the digest of an unchanged directory outlives a restart. Negative errno: libcrypto failed.
 */
int describe_digest(const struct hc_snapshot *snapshot, char *const *argv, const char *user,
		    const char *group, uint8_t ret[DESCRIBE_DIGEST]);

#endif
