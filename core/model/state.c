#include "model/state.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define STATE_FILE_MAX (1 << 20)

char *state_path(const char *state_dir, const char *plugin, const char *name)
{
	return str_format("%s/%s/%s.json", state_dir, plugin, name);
}

/* An unreadable file is an error; one that is not JSON was not written by us: start anew. */
static int state_load(const char *path, json_t **ret)
{
	cleanup_free char *data = NULL;
	struct stat st;
	size_t len;
	json_t *root;
	int r = fs_read(path, STATE_FILE_MAX, &data, &len, &st);

	if (r < 0)
		return r;
	root = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(root)) {
		json_decref(root);
		return -ENOENT;
	}
	*ret = root;
	return 0;
}

static int make_parents(const char *path)
{
	cleanup_free char *dir = strdup(path);

	if (!dir)
		return -ENOMEM;
	*strrchr(dir, '/') = '\0';
	return fs_mkdir(dir, 0700);
}

static int state_save(const char *path, json_t *root)
{
	cleanup_free char *text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS);
	int r;

	if (!text)
		return -ENOMEM;
	r = fs_replace(path, text, strlen(text), 0600, (uid_t)-1, (gid_t)-1);
	if (r != -ENOENT)
		return r;
	r = make_parents(path);
	return r < 0 ? r : fs_replace(path, text, strlen(text), 0600, (uid_t)-1, (gid_t)-1);
}

static int state_load_or_new(const char *path, json_t **ret)
{
	int r = state_load(path, ret);

	if (r != -ENOENT)
		return r;
	*ret = json_object();
	return *ret ? 0 : -ENOMEM;
}

static json_t *member(json_t *root, const char *key)
{
	json_t *value = json_object_get(root, key);

	if (!value && json_object_set_new(root, key, json_object()) == 0)
		value = json_object_get(root, key);
	return value;
}

/* Text stays text, for the person who looks into the file; all else is {"hex": "…"}. */
static json_t *value_encode(const void *data, size_t len)
{
	json_t *value = memchr(data, 0, len) ? NULL : json_stringn(data, len);
	cleanup_free char *hex = NULL;

	if (value)
		return value;
	hex = malloc(2 * len + 1);
	if (!hex)
		return NULL;
	str_hex(hex, data, len);
	return json_pack("{s:s}", "hex", hex);
}

static int64_t hex_decode(const char *hex, uint8_t *out, size_t size)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len && len <= size; i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -EBADMSG;
		out[i] = (uint8_t)byte;
	}
	return (int64_t)len;
}

static int64_t value_decode(const json_t *value, void *buf, size_t size)
{
	const char *hex = json_string_value(json_object_get(value, "hex"));

	if (hex)
		return hex_decode(hex, buf, size);
	if (!json_is_string(value))
		return -ENOENT;
	if (json_string_length(value) <= size)
		memcpy(buf, json_string_value(value), json_string_length(value));
	return (int64_t)json_string_length(value);
}

int64_t state_get(const char *path, const char *key, void *buf, size_t size)
{
	json_auto_t *root = NULL;
	int r = state_load(path, &root);

	if (r < 0)
		return r;
	return value_decode(json_object_get(json_object_get(root, "plugin"), key), buf, size);
}

int state_set(const char *path, const char *key, const void *data, size_t len)
{
	json_auto_t *root = NULL;
	json_t *values;
	int r;

	if (len > STATE_VALUE_MAX)
		return -E2BIG;
	r = state_load_or_new(path, &root);
	if (r < 0)
		return r;
	values = member(root, "plugin");
	if (!values)
		return -ENOMEM;
	if (!len && json_object_del(values, key) < 0)
		return 0;
	if (len && json_object_set_new(values, key, value_encode(data, len)) < 0)
		return -ENOMEM;
	return state_save(path, root);
}

int state_get_job(const char *path, struct state_job *ret)
{
	json_auto_t *root = NULL;
	struct state_job job = {0};
	json_t *tries;
	const char *digest;
	int r = state_load(path, &root);

	if (r < 0)
		return r;
	tries = json_object_get(root, "job");
	digest = json_string_value(json_object_get(tries, "snapshot"));
	if (!digest || hex_decode(digest, job.digest, sizeof(job.digest)) != sizeof(job.digest))
		return -ENOENT;
	job.attempts = (uint32_t)json_integer_value(json_object_get(tries, "attempts"));
	job.status = (int32_t)json_integer_value(json_object_get(tries, "status"));
	job.retry_at = json_integer_value(json_object_get(tries, "retry_at"));
	*ret = job;
	return 0;
}

int state_set_job(const char *path, const struct state_job *job)
{
	json_auto_t *root = NULL;
	char digest[65];
	json_t *tries;
	int r = state_load(path, &root);

	if (r == -ENOENT && !job)
		return 0;
	if (r == -ENOENT)
		r = state_load_or_new(path, &root);
	if (r < 0)
		return r;
	if (!job)
		return json_object_del(root, "job") < 0 ? 0 : state_save(path, root);
	str_hex(digest, job->digest, sizeof(job->digest));
	tries = json_pack("{s:I, s:i, s:I, s:s}", "attempts", (json_int_t)job->attempts, "status",
			  (int)job->status, "retry_at", (json_int_t)job->retry_at, "snapshot",
			  digest);
	if (!tries || json_object_set_new(root, "job", tries) < 0)
		return -ENOMEM;
	return state_save(path, root);
}
