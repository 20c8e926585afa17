/*
 * The system store, second half: a change. It takes the lock, writes the files, runs the program of
 * the distribution, tidies up after it, and looks whether all that has worked.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "trust/system.h"

/* Gives up what the change holds. Leaves what it has written. */
void system_change_finish(struct system *sys)
{
	program_stop(&sys->program);
	lock_drop(&sys->lock);
	links_finish(&sys->released);
	sys->inventory = NULL;
}

static void change_done(struct system *sys, int32_t status, const char *format, ...)
	HC_PRINTF(3, 4);

static void change_done(struct system *sys, int32_t status, const char *format, ...)
{
	const struct store_env *env = sys->store.env;
	char text[STORE_WHY];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	system_change_finish(sys);
	env->done(env->data, status, text);
}

static void settle(struct system *sys)
{
	int r = system_files_settle(sys);

	if (r == 0)
		change_done(sys, HC_OK, "%s", "");
	else
		change_done(sys, store_status(r), "cannot put the links in %s%s in order: %s%s",
			    sys->store.env->sysroot, sys->family->links, strerror(-r),
			    store_hint(r));
}

static void program_ended(void *data, int32_t status, const char *why)
{
	struct system *sys = data;

	assert(sys->magic == SYSTEM_MAGIC);
	if (status == HC_OK)
		sys->next(sys);
	else
		change_done(sys, status, "%s", why);
}

/* Runs a program, then next. */
static void start(struct system *sys, const char *name, const char *const *argv,
		  void (*next)(struct system *sys))
{
	sys->next = next;
	program_run(&sys->program, name, argv, NULL, sys->lock.fd);
}

/*
 * Where others have a root in the store that we have just taken out, it has no hash link of its
 * own: of equal certificates OpenSSL's program links one. Now it links the other.
 */
static void rehash(struct system *sys)
{
	char links[PATH_MAX];
	const char *argv[] = {"openssl", "rehash", NULL, NULL};

	argv[2] = system_path(&sys->store, sys->family->links, "", links);
	start(sys, argv[0], argv, settle);
}

static bool is_there_from_others(const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->n; i++)
		if (inventory->list[i].todo == TODO_REMOVE &&
		    (inventory->list[i].flags & STORE_LIVE))
			return true;
	return false;
}

/* Looks again: the program's exit code proves little. */
static void verify(struct system *sys)
{
	struct inventory *inventory = sys->inventory;
	const char *root = sys->store.env->sysroot, *bundle = sys->family->bundle;
	const struct entry *entry;
	int r;

	inventory_forget_live(inventory);
	r = system_look_at_bundle(&sys->store, sys->family, inventory);
	if (r < 0)
		change_done(sys, HC_RETRY, "cannot read %s%s: %s", root, bundle, strerror(-r));
	else if (!inventory_all_live(inventory, &entry))
		change_done(sys, HC_RETRY, "%s ended well, but %s is not in %s%s",
			    sys->family->update, entry->root->subject, root, bundle);
	else if (is_there_from_others(inventory) && sys->family->links)
		rehash(sys);
	else
		settle(sys);
}

/* Runs the running system's program, told in which directory to work. */
static void update_from_outside(struct system *sys)
{
	const struct path_option *options = sys->family->options;
	const char *argv[2 + 2 * SYSTEM_OPTIONS] = {sys->family->update};
	char paths[SYSTEM_OPTIONS][PATH_MAX];

	for (size_t i = 0; i < SYSTEM_OPTIONS && options[i].name; i++) {
		argv[1 + 2 * i] = options[i].name;
		argv[2 + 2 * i] = system_path(&sys->store, options[i].path, "", paths[i]);
	}
	start(sys, sys->family->update, argv, verify);
}

static void update(struct system *sys)
{
	const struct family *family = sys->family;
	const char *const argv[] = {"chroot", sys->store.env->sysroot, family->update,
				    family->argument, NULL};

	if (!*sys->store.env->sysroot)
		start(sys, family->update, argv + 2, verify);
	else if (system_is_chroot(&sys->store, family))
		start(sys, family->update, argv, verify);
	else
		update_from_outside(sys);
}

static void locked(void *data, int r)
{
	struct system *sys = data;
	const char *root = sys->store.env->sysroot, *anchors = sys->family->anchors;

	assert(sys->magic == SYSTEM_MAGIC);
	if (r < 0) {
		change_done(sys, store_status(r), "cannot open and lock %s%s: %s", root, anchors,
			    strerror(-r));
		return;
	}
	r = system_files_write(sys);
	if (r == 0)
		update(sys);
	else
		change_done(sys, store_status(r), "cannot write to %s%s: %s%s", root, anchors,
			    strerror(-r), store_hint(r));
}

void system_change_init(struct system *sys, const struct store_env *env)
{
	sys->program = (struct program){.env = env, .on_end = program_ended, .data = sys};
	lock_init(&sys->lock, env, locked, sys);
}

void system_change(struct store *store, struct inventory *inventory)
{
	struct system *sys = (struct system *)store;
	char path[PATH_MAX];

	sys->inventory = inventory;
	sys->family = system_detect(store);
	if (sys->family)
		lock_take(&sys->lock, system_path(store, sys->family->anchors, "", path));
	else
		change_done(sys, HC_RETRY, "the trust store has gone");
}
