#include "exec/describe.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"

/* One string of an environment may have 128 KiB (execve(2), MAX_ARG_STRLEN); lists stay well below.
 */
#define LIST_MAX (96 * 1024)

/* Half full of reserve: directory, generation and the like, and the closing NULL. */
#define VARS_MAX 24

struct vars {
	char **list;
	size_t n;
	bool failed;
};

static void vars_add(struct vars *vars, const char *format, ...) HC_PRINTF(2, 3);

static void vars_add(struct vars *vars, const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	if (vars->n + 1 >= VARS_MAX || vasprintf(&text, format, args) < 0)
		vars->failed = true;
	else
		vars->list[vars->n++] = text;
	va_end(args);
}

/* NAME=VALUE for a time, in the form of RFC 3339: 2026-01-31T12:00:00Z. */
static void add_time(struct vars *vars, const char *name, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	vars_add(vars, "HOTCERT_%s=%s", name, text);
}

/* Strings joined by a separator; "" where they are more than an environment can hold. */
struct joined {
	char *text;
	size_t len;
	FILE *stream;
};

static bool joined_begin(struct joined *j)
{
	*j = (struct joined){0};
	j->stream = open_memstream(&j->text, &j->len);
	return j->stream != NULL;
}

static void joined_add(struct joined *j, char separator, const char *word)
{
	if (ftell(j->stream) > 0)
		fputc(separator, j->stream);
	fputs(word, j->stream);
}

static void joined_end(struct joined *j, struct vars *vars, const char *name)
{
	if (fclose(j->stream) != 0)
		vars->failed = true;
	else
		vars_add(vars, "HOTCERT_%s=%s", name, j->len > LIST_MAX ? "" : j->text);
	free(j->text);
}

static void add_sans(struct vars *vars, const struct hc_cert *leaf)
{
	struct joined j;

	if (!joined_begin(&j)) {
		vars->failed = true;
		return;
	}
	for (uint32_t i = 0; i < leaf->n_sans; i++)
		joined_add(&j, ' ', leaf->sans[i]);
	joined_end(&j, vars, "SANS");
}

static void add_files(struct vars *vars, const struct hc_snapshot *snapshot)
{
	struct joined j;

	if (!joined_begin(&j)) {
		vars->failed = true;
		return;
	}
	for (uint32_t i = 0; i < snapshot->n_files; i++)
		joined_add(&j, '\n', hc_snapshot_file(snapshot, i)->path);
	joined_end(&j, vars, "FILES");
}

static void add_leaf(struct vars *vars, const struct hc_cert *leaf)
{
	char hex[2 * sizeof(leaf->sha256) + 1];

	for (size_t i = 0; i < sizeof(leaf->sha256); i++)
		snprintf(hex + 2 * i, 3, "%02x", leaf->sha256[i]);
	vars_add(vars, "HOTCERT_SUBJECT=%s", leaf->subject);
	vars_add(vars, "HOTCERT_ISSUER=%s", leaf->issuer);
	vars_add(vars, "HOTCERT_SERIAL=%s", leaf->serial);
	vars_add(vars, "HOTCERT_FINGERPRINT=%s", hex);
	add_time(vars, "NOT_BEFORE", leaf->not_before);
	add_time(vars, "NOT_AFTER", leaf->not_after);
	add_sans(vars, leaf);
}

static void add_role(struct vars *vars, const struct hc_file *file)
{
	if (strcmp(file->role, "cert") == 0) {
		vars_add(vars, "HOTCERT_CERT=%s", file->path);
		if (file->n_certs > 0)
			add_leaf(vars, hc_file_cert(file, 0));
	} else if (strcmp(file->role, "key") == 0) {
		vars_add(vars, "HOTCERT_KEY=%s", file->path);
	} else if (strcmp(file->role, "ca") == 0) {
		vars_add(vars, "HOTCERT_CA=%s", file->path);
	}
}

char **describe_env(const struct hc_snapshot *snapshot, const char *instance)
{
	struct vars vars = {.list = calloc(VARS_MAX, sizeof(char *))};

	if (!vars.list)
		return NULL;
	vars_add(&vars, "HOTCERT_INSTANCE=%s", instance);
	vars_add(&vars, "HOTCERT_WATCH=%s", snapshot->watch);
	vars_add(&vars, "HOTCERT_DIRECTORY=%s", snapshot->directory);
	vars_add(&vars, "HOTCERT_GENERATION=%llu", (unsigned long long)snapshot->generation);
	for (uint32_t i = 0; i < snapshot->n_files; i++)
		add_role(&vars, hc_snapshot_file(snapshot, i));
	add_files(&vars, snapshot);
	if (vars.failed) {
		describe_free(vars.list);
		return NULL;
	}
	return vars.list;
}

void describe_free(char **env)
{
	for (size_t i = 0; env && env[i]; i++)
		free(env[i]);
	free(env);
}

/* A string with its NUL byte, so that "ab","c" differs from "a","bc"; NULL differs from "". */
static bool hash_text(EVP_MD_CTX *md, const char *text)
{
	return text ? EVP_DigestUpdate(md, text, strlen(text) + 1) : EVP_DigestUpdate(md, "\1", 1);
}

static bool hash_file(EVP_MD_CTX *md, const struct hc_file *file)
{
	uint32_t rights[] = {file->mode, file->uid, file->gid};

	return hash_text(md, file->role) && hash_text(md, file->path) &&
	       EVP_DigestUpdate(md, rights, sizeof(rights)) &&
	       EVP_DigestUpdate(md, file->sha256, sizeof(file->sha256));
}

int describe_digest(const struct hc_snapshot *snapshot, char *const *argv, const char *user,
		    const char *group, uint8_t ret[DESCRIBE_DIGEST])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);

	for (size_t i = 0; ok && argv[i]; i++)
		ok = hash_text(md, argv[i]);
	ok = ok && hash_text(md, NULL) && hash_text(md, user) && hash_text(md, group);
	for (uint32_t i = 0; ok && i < snapshot->n_files; i++)
		ok = hash_file(md, hc_snapshot_file(snapshot, i));
	ok = ok && EVP_DigestFinal_ex(md, ret, NULL);
	EVP_MD_CTX_free(md);
	return ok ? 0 : -EIO;
}
