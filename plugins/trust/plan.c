/* What is to be done in a store: the decisions alone, without touching anything. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trust/store.h"

static struct entry *entry_add(struct inventory *inventory, const uint8_t fingerprint[32])
{
	struct entry *list = realloc(inventory->list, (inventory->n + 1) * sizeof(*list));
	struct entry *entry;

	if (!list)
		return NULL;
	inventory->list = list;
	entry = &list[inventory->n++];
	*entry = (struct entry){0};
	memcpy(entry->fingerprint, fingerprint, 32);
	return entry;
}

int inventory_init(struct inventory *inventory, const struct roots *wanted)
{
	*inventory = (struct inventory){0};
	for (size_t i = 0; i < wanted->n; i++) {
		struct entry *entry = entry_add(inventory, wanted->list[i].fingerprint);

		if (!entry) {
			inventory_finish(inventory);
			return -ENOMEM;
		}
		entry->root = &wanted->list[i];
	}
	return 0;
}

void inventory_finish(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->n; i++)
		free(inventory->list[i].name);
	free(inventory->list);
	*inventory = (struct inventory){0};
}

struct entry *inventory_find(struct inventory *inventory, const uint8_t fingerprint[32])
{
	for (size_t i = 0; i < inventory->n; i++)
		if (memcmp(inventory->list[i].fingerprint, fingerprint, 32) == 0)
			return &inventory->list[i];
	return NULL;
}

int inventory_own(struct inventory *inventory, const uint8_t fingerprint[32], const char *name)
{
	struct entry *entry = inventory_find(inventory, fingerprint);

	if (!entry)
		entry = entry_add(inventory, fingerprint);
	if (!entry)
		return -ENOMEM;
	entry->flags |= STORE_OURS;
	if (entry->name)
		return 0;
	entry->name = strdup(name);
	return entry->name ? 0 : -ENOMEM;
}

static bool same_name(const struct entry *entry, const struct name_parts *parts)
{
	return memcmp(entry->fingerprint, parts->fingerprint, sizeof(parts->fingerprint)) == 0;
}

int inventory_own_damaged(struct inventory *inventory, const struct name_parts *parts,
			  const char *name)
{
	uint8_t fingerprint[32] = {0};

	for (size_t i = 0; i < inventory->n; i++) {
		struct entry *entry = &inventory->list[i];

		if (!same_name(entry, parts))
			continue;
		entry->flags |= STORE_DAMAGED;
		return inventory_own(inventory, entry->fingerprint, name);
	}
	memcpy(fingerprint, parts->fingerprint, sizeof(parts->fingerprint));
	return inventory_own(inventory, fingerprint, name);
}

void inventory_note_others(struct inventory *inventory, const struct name_parts *parts)
{
	for (size_t i = 0; i < inventory->n; i++)
		if (same_name(&inventory->list[i], parts))
			inventory->list[i].flags |= STORE_OTHERS;
}

void inventory_note_live(void *inventory, const uint8_t *der, size_t len,
			 const uint8_t fingerprint[32])
{
	struct entry *entry = inventory_find(inventory, fingerprint);

	(void)der;
	(void)len;
	if (entry)
		entry->flags |= STORE_LIVE;
}

bool inventory_all_live(const struct inventory *inventory, const struct entry **ret_not)
{
	for (size_t i = 0; i < inventory->n; i++) {
		*ret_not = &inventory->list[i];
		if ((*ret_not)->todo == TODO_INSTALL && !((*ret_not)->flags & STORE_LIVE))
			return false;
	}
	return true;
}

void inventory_forget_live(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->n; i++)
		inventory->list[i].flags &= ~(unsigned)STORE_LIVE;
}

bool inventory_has_work(const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->n; i++)
		if (inventory->list[i].todo != TODO_NOTHING)
			return true;
	return false;
}

/* A root that is there from another instance of hotcert goes with that instance, so it does not
 * count. */
static bool is_present_anyway(const struct entry *entry)
{
	return (entry->flags & STORE_LIVE) && !(entry->flags & (STORE_OURS | STORE_OTHERS));
}

static void plan_wanted(struct entry *entry, struct tally *tally)
{
	const unsigned installed = STORE_OURS | STORE_LIVE;

	if (is_present_anyway(entry)) {
		tally->present++;
		return;
	}
	tally->ours++;
	if ((entry->flags & (installed | STORE_DAMAGED)) != installed)
		entry->todo = TODO_INSTALL;
}

static void plan_unwanted(struct entry *entry, const struct plan_rules *rules, struct tally *tally)
{
	int64_t due;

	if (rules->uninstall) {
		entry->todo = TODO_REMOVE;
		return;
	}
	if (!rules->complete) {
		tally->waiting++;
		return;
	}
	due = rules->unwanted_since(rules->data, entry->fingerprint) + rules->overlap;
	if (rules->now >= due) {
		entry->todo = TODO_REMOVE;
		return;
	}
	tally->waiting++;
	if (due < tally->next)
		tally->next = due;
}

struct tally plan(struct inventory *inventory, const struct plan_rules *rules)
{
	struct tally tally = {.next = INT64_MAX};

	for (size_t i = 0; i < inventory->n; i++) {
		struct entry *entry = &inventory->list[i];

		entry->todo = TODO_NOTHING;
		if (entry->root)
			plan_wanted(entry, &tally);
		else if (entry->flags & STORE_OURS)
			plan_unwanted(entry, rules, &tally);
	}
	return tally;
}
