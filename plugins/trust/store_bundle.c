/*
 * bundle:/path - one PEM file of all roots
 *
 * The file may hold more than ours: each of our certificates stands below a line that says so, and
 *all else is kept byte for byte.
 *
 *	# hotcert corp Example_Root_CA
 *	-----BEGIN CERTIFICATE-----
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/pem.h"
#include "trust/store.h"

#define MARK "# hotcert "
#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

struct bundle {
	struct store store;
	char *path;
};

/* A certificate with the mark above it, or a line of anything else. */
struct piece {
	const char *start;
	size_t len;
	bool is_cert;
	bool is_marked;	   /* by some instance of hotcert */
	const char *owner; /* of owner_len bytes, where it is marked */
	size_t owner_len;
	uint8_t fingerprint[32];
};

static size_t line_len(const char *p, const char *end)
{
	const char *newline = memchr(p, '\n', (size_t)(end - p));

	return newline ? (size_t)(newline - p) + 1 : (size_t)(end - p);
}

static bool starts_with(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - p) >= len && memcmp(p, word, len) == 0;
}

static void note_fingerprint(void *data, const uint8_t *der, size_t len,
			     const uint8_t fingerprint[32])
{
	struct piece *piece = data;

	(void)der;
	(void)len;
	piece->is_cert = true;
	memcpy(piece->fingerprint, fingerprint, 32);
}

/* The length of the block that begins at p, up to its END line; 0 where it has none. */
static size_t block_len(const char *p, const char *end)
{
	const char *start = p;

	while (p < end) {
		const char *line = p;

		p += line_len(p, end);
		if (starts_with(line, end, END))
			return (size_t)(p - start);
		if (line != start && starts_with(line, end, "-----BEGIN "))
			break;
	}
	return 0;
}

static void take_mark(struct piece *piece, const char *line, size_t len)
{
	const char *space;

	piece->is_marked = true;
	piece->owner = line + strlen(MARK);
	len -= strlen(MARK);
	space = memchr(piece->owner, ' ', len);
	piece->owner_len = space ? (size_t)(space - piece->owner) : len;
}

/* Takes the piece at p, which is before end. 0 or -ENOMEM. */
static int piece_take(const char *p, const char *end, struct piece *ret)
{
	size_t mark = starts_with(p, end, MARK) ? line_len(p, end) : 0;
	size_t block = starts_with(p + mark, end, BEGIN) ? block_len(p + mark, end) : 0;

	*ret = (struct piece){.start = p, .len = mark + block};
	if (block && pem_each(p + mark, block, note_fingerprint, ret) < 0)
		return -ENOMEM;
	if (!ret->is_cert)
		ret->len = line_len(p, end);
	else if (mark)
		take_mark(ret, p, mark);
	return 0;
}

static bool is_ours(const struct piece *piece, const struct store_env *env)
{
	return piece->is_marked && strlen(env->instance) == piece->owner_len &&
	       memcmp(piece->owner, env->instance, piece->owner_len) == 0;
}

static int note_piece(struct store *store, const struct piece *piece, struct inventory *inventory)
{
	struct entry *entry;

	if (!piece->is_cert)
		return 0;
	if (is_ours(piece, store->env) && inventory_own(inventory, piece->fingerprint, "") < 0)
		return -ENOMEM;
	entry = inventory_find(inventory, piece->fingerprint);
	if (entry)
		entry->flags |=
			STORE_LIVE |
			(piece->is_marked && !is_ours(piece, store->env) ? STORE_OTHERS : 0);
	return 0;
}

/* The file that a link at the path leads to is the one to read and to replace. */
static char *real_path(const struct bundle *bundle)
{
	char *real = realpath(bundle->path, NULL);

	return real ? real : strdup(bundle->path);
}

static int bundle_look(struct store *store, struct inventory *inventory, char why[STORE_WHY])
{
	struct bundle *bundle = (struct bundle *)store;
	cleanup_free char *text = NULL;
	size_t len = 0;
	struct piece piece;
	int r = store_read(bundle->path, &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		snprintf(why, STORE_WHY, "cannot read it: %s", strerror(-r));
		return r;
	}
	for (const char *p = text; p < text + len; p += piece.len) {
		r = piece_take(p, text + len, &piece);
		if (r == 0)
			r = note_piece(store, &piece, inventory);
		if (r < 0) {
			snprintf(why, STORE_WHY, "%s", strerror(-r));
			return r;
		}
	}
	return 0;
}

/* True where a piece of the old file is not to be in the new one. */
static bool is_dropped(struct store *store, const struct piece *piece, struct inventory *inventory)
{
	struct entry *entry;

	if (!piece->is_cert || !is_ours(piece, store->env))
		return false;
	entry = inventory_find(inventory, piece->fingerprint);
	return entry && entry->todo == TODO_REMOVE;
}

static bool is_blank(const char *p, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", p[len - 1]))
		len--;
	return len == 0;
}

/* Copies what stays; *ret_any says whether that is more than blank. 0 or -ENOMEM. */
static int copy_kept(struct store *store, const char *text, size_t len, struct inventory *inventory,
		     FILE *out, bool *ret_any)
{
	struct piece piece;
	char last = '\n';

	for (const char *p = text; p < text + len; p += piece.len) {
		if (piece_take(p, text + len, &piece) < 0)
			return -ENOMEM;
		if (is_dropped(store, &piece, inventory))
			continue;
		fwrite(p, 1, piece.len, out);
		last = p[piece.len - 1];
		*ret_any |= piece.is_cert || !is_blank(p, piece.len);
	}
	if (last != '\n')
		fputc('\n', out);
	return 0;
}

static bool append_new(struct store *store, const struct inventory *inventory, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < inventory->n; i++) {
		const struct entry *entry = &inventory->list[i];

		if (entry->todo != TODO_INSTALL || (entry->flags & STORE_OURS))
			continue;
		fprintf(out, MARK "%s %s\n%s", store->env->instance, entry->root->label,
			entry->root->pem);
		any = true;
	}
	return any;
}

static int put(struct store *store, const char *path, const char *text, size_t len)
{
	struct hc_replace replace = {
		.size = sizeof(replace),
		.flags = HC_REPLACE_KEEP,
		.path = path,
		.data = text,
		.len = len,
		.mode = 0644,
		.uid = (uint32_t)-1,
		.gid = (uint32_t)-1,
	};

	return store->env->host->replace(store->env->ctx, &replace);
}

/* Writes the new file, or removes it where nothing is left in it. */
static int rewrite(struct store *store, struct inventory *inventory)
{
	cleanup_free char *path = real_path((struct bundle *)store);
	cleanup_free char *old = NULL, *text = NULL;
	size_t old_len = 0, len = 0;
	bool any = false;
	FILE *out;
	int r = path ? store_read(path, &old, &old_len) : -ENOMEM;

	if (r < 0 && r != -ENOENT)
		return r;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	r = old ? copy_kept(store, old, old_len, inventory, out, &any) : 0;
	any |= append_new(store, inventory, out);
	if (fclose(out) != 0 || r < 0)
		return -ENOMEM;
	if (any)
		return put(store, path, text, len);
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static void bundle_change(struct store *store, struct inventory *inventory)
{
	const struct store_env *env = store->env;
	int r = rewrite(store, inventory);
	char why[STORE_WHY];

	if (r == 0) {
		env->done(env->data, HC_OK, "");
		return;
	}
	snprintf(why, sizeof(why), "cannot write it: %s%s", strerror(-r), store_hint(r));
	env->done(env->data, store_status(r), why);
}

static void bundle_cancel(struct store *store)
{
	(void)store; /* a change ends within change() */
}

static void bundle_destroy(struct store *store)
{
	struct bundle *bundle = (struct bundle *)store;

	free(bundle->path);
	free(bundle);
}

static int bundle_create(const struct store_env *env, const char *arg, struct store **ret,
			 const char **ret_why)
{
	struct bundle *bundle;

	(void)env;
	if (*arg != '/' || arg[strlen(arg) - 1] == '/') {
		*ret_why = "needs the absolute path of a file, as in bundle:/etc/ssl/corp.pem";
		return -EINVAL;
	}
	bundle = calloc(1, sizeof(*bundle));
	if (!bundle)
		return -ENOMEM;
	bundle->path = strdup(arg);
	if (!bundle->path) {
		free(bundle);
		return -ENOMEM;
	}
	*ret = &bundle->store;
	return 0;
}

const struct store_type store_bundle = {
	.scheme = "bundle",
	.create = bundle_create,
	.destroy = bundle_destroy,
	.look = bundle_look,
	.change = bundle_change,
	.cancel = bundle_cancel,
};
