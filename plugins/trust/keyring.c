#include "trust/keyring.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* Gives up what is under way. */
static void stop(struct keyring *ring)
{
	program_stop(&ring->program);
	ring->ops->finish(ring);
	if (ring->lock.fd >= 0)
		unlink(ring->cert);
	lock_drop(&ring->lock);
	ring->inventory = NULL;
}

void keyring_end(struct keyring *ring, int32_t status, const char *format, ...)
{
	const struct store_env *env = ring->store.env;
	char text[STORE_WHY];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	stop(ring);
	if (ring->changing)
		env->done(env->data, status, text);
	else
		env->refreshed(env->data, status, text);
}

static void cannot_write(struct keyring *ring, int r)
{
	keyring_end(ring, store_status(r), "cannot write it: %s%s", strerror(-r), store_hint(r));
}

static void program_ended(void *data, int32_t status, const char *why)
{
	struct keyring *ring = data;

	assert(ring->magic == KEYRING_MAGIC);
	if (status == HC_OK)
		ring->next(ring);
	else
		keyring_end(ring, status, "%s", why);
}

static void on_line(void *data, const char *line)
{
	struct keyring *ring = data;

	assert(ring->magic == KEYRING_MAGIC);
	ring->ops->on_line(ring, line);
}

void keyring_run(struct keyring *ring, const char *const *argv, const char *const *env,
		 void (*next)(struct keyring *ring))
{
	ring->next = next;
	program_run(&ring->program, ring->ops->program, argv, env, ring->lock.fd);
}

/* ---- what is in it -----------------------------------------------------------------------------
 */

void keyring_add(struct keyring *ring, const char *name, bool trusted,
		 const uint8_t fingerprint[32])
{
	if (listing_add(&ring->listing, name, trusted, fingerprint) < 0)
		ring->no_memory = true;
}

void keyring_refresh(struct keyring *ring, const char *path)
{
	ring->changing = false;
	ring->no_memory = false;
	if (!listing_is_current(&ring->listing, path))
		listing_begin(&ring->listing, path);
	if (ring->listing.complete)
		keyring_end(ring, HC_OK, "%s", "");
	else
		ring->ops->list(ring);
}

int keyring_look(struct store *store, struct inventory *inventory, char why[STORE_WHY])
{
	struct keyring *ring = (struct keyring *)store;
	int r = listing_note(&ring->listing, store->env->instance, ring->ops->folds, inventory);

	if (r < 0)
		snprintf(why, STORE_WHY, "%s", strerror(-r));
	return r;
}

/* Looks again after a change: all that was to be installed must be there. */
static void verify(struct keyring *ring)
{
	const struct entry *entry;
	int r = 0;

	inventory_forget_live(ring->inventory);
	for (size_t i = 0; i < ring->listing.n; i++)
		if (ring->listing.list[i].trusted)
			inventory_note_live(ring->inventory, NULL, 0,
					    ring->listing.list[i].fingerprint);
	if (!inventory_all_live(ring->inventory, &entry)) {
		keyring_end(ring, HC_RETRY, "%s ended well, but %s is not trusted then",
			    ring->ops->program, entry->root->subject);
		return;
	}
	if (ring->ops->publish)
		r = ring->ops->publish(ring);
	if (r < 0)
		cannot_write(ring, r);
	else
		keyring_end(ring, HC_OK, "%s", "");
}

void keyring_listed(struct keyring *ring)
{
	ring->listing.complete = !ring->no_memory;
	if (ring->no_memory)
		keyring_end(ring, HC_RETRY, "%s", strerror(ENOMEM));
	else if (ring->changing)
		verify(ring);
	else
		keyring_end(ring, HC_OK, "%s", "");
}

/* ---- a change
 * ------------------------------------------------------------------------------------ */

int keyring_put(struct keyring *ring, const char *path, const char *data, size_t len,
		uint32_t flags, uint32_t mode)
{
	const struct store_env *env = ring->store.env;
	struct hc_replace replace = {
		.size = sizeof(replace),
		.flags = flags,
		.path = path,
		.data = data,
		.len = len,
		.mode = mode,
		.uid = (uint32_t)-1,
		.gid = (uint32_t)-1,
	};

	return env->host->replace(env->ctx, &replace);
}

static void import(struct keyring *ring, const struct entry *entry)
{
	char name[NAME_FILE];
	int r = keyring_put(ring, ring->cert, entry->root->pem, strlen(entry->root->pem), 0, 0600);

	name_file(ring->store.env->instance, entry->fingerprint, entry->root->label, "", name);
	if (r < 0)
		cannot_write(ring, r);
	else
		ring->ops->import(ring, name);
}

/* Somebody else has the certificate there without trust: that is not ours to change. */
static const struct listed *withheld(const struct keyring *ring, const struct entry *entry)
{
	const struct listed *there = listing_find(&ring->listing, entry->fingerprint);

	return entry->todo == TODO_INSTALL && there && !entry->name && !there->trusted ? there
										       : NULL;
}

/* The next thing to be done; what has our name already goes before it comes anew. */
void keyring_step(struct keyring *ring)
{
	while (ring->at < ring->inventory->n) {
		const struct entry *entry = &ring->inventory->list[ring->at];
		const struct listed *there = withheld(ring, entry);

		if (there) {
			keyring_end(
				ring, HC_FAILED,
				"%s is there as \"%s\" without trust; give it trust or remove it",
				entry->root->subject, there->name);
			return;
		}
		if (entry->todo != TODO_NOTHING && entry->name && !ring->cleared) {
			ring->cleared = true;
			ring->ops->remove(ring, entry->name);
			return;
		}
		ring->cleared = false;
		ring->at++;
		if (entry->todo == TODO_INSTALL) {
			import(ring, entry);
			return;
		}
	}
	ring->ops->list(ring);
}

static void locked(void *data, int r)
{
	struct keyring *ring = data;

	assert(ring->magic == KEYRING_MAGIC);
	if (r == 0 && ring->ops->begin)
		r = ring->ops->begin(ring);
	if (r < 0)
		cannot_write(ring, r);
	else
		keyring_step(ring);
}

void keyring_change(struct store *store, struct inventory *inventory)
{
	struct keyring *ring = (struct keyring *)store;

	ring->changing = true;
	ring->no_memory = false;
	ring->inventory = inventory;
	ring->at = 0;
	ring->cleared = false;
	lock_take(&ring->lock, ring->dir);
}

void keyring_cancel(struct store *store)
{
	stop((struct keyring *)store);
}

void keyring_init(struct keyring *ring, const struct store_env *env, const struct keyring_ops *ops)
{
	ring->magic = KEYRING_MAGIC;
	ring->ops = ops;
	ring->store.env = env;
	ring->program = (struct program){
		.env = env, .on_end = program_ended, .on_line = on_line, .data = ring};
	lock_init(&ring->lock, env, locked, ring);
}

void keyring_finish(struct keyring *ring)
{
	stop(ring);
	listing_finish(&ring->listing);
	ring->magic = 0;
}
