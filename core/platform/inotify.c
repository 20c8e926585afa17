#include "platform/inotify.h"

#include "base/list.h"
#include "base/table.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MASK_FLAGS (IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_ADD)
#define MASK_WAY (IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
/* IN_ATTRIB: chmod and chown mend an unreadable file; link and unlink change the link count. */
#define MASK_NAME (MASK_WAY | IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB)

/* A watched directory: one kernel watch. */
struct node {
	struct table_entry entry; /* by wd */
	int wd;
	bool dead; /* the kernel dropped it: IN_IGNORED */
	size_t n_slots;
};

/* A name in a directory; "/" is any name. */
struct slot {
	struct table_entry entry; /* by wd and name */
	struct node *node;
	struct list interests;
	char name[];
};

struct inotify_interest {
	struct list link; /* slot.interests */
	struct slot *slot;
	void *owner;
};

struct inotify {
	int fd;
	struct loop_io *io;
	struct inotify_ops ops;
	struct table nodes;
	struct table slots;
	uint64_t overflows;
};

static uint64_t slot_hash(int wd, const char *name)
{
	return table_hash(table_hash_u64((uint64_t)wd), name, strlen(name));
}

static struct node *node_find(const struct inotify *in, int wd)
{
	struct table_entry *e = table_first(&in->nodes, table_hash_u64((uint64_t)wd));

	return e ? container_of(e, struct node, entry) : NULL;
}

static struct slot *slot_find(const struct inotify *in, int wd, const char *name)
{
	struct table_entry *e = table_first(&in->slots, slot_hash(wd, name));

	for (; e; e = table_next_same(e)) {
		struct slot *slot = container_of(e, struct slot, entry);

		if (slot->node->wd == wd && !strcmp(slot->name, name))
			return slot;
	}
	return NULL;
}

static int node_get(struct inotify *in, int wd, struct node **ret)
{
	struct node *node = node_find(in, wd);

	if (!node) {
		node = calloc(1, sizeof(*node));
		if (!node)
			return -ENOMEM;
		node->wd = wd;
		node->entry.hash = table_hash_u64((uint64_t)wd);
		if (table_add(&in->nodes, &node->entry) < 0) {
			free(node);
			return -ENOMEM;
		}
	}
	*ret = node;
	return 0;
}

static void node_drop_unused(struct inotify *in, struct node *node)
{
	if (node->n_slots)
		return;
	if (!node->dead)
		inotify_rm_watch(in->fd, node->wd);
	table_remove(&in->nodes, &node->entry);
	free(node);
}

static int slot_get(struct inotify *in, struct node *node, const char *name, struct slot **ret)
{
	struct slot *slot = slot_find(in, node->wd, name);
	size_t len = strlen(name);

	if (!slot) {
		slot = calloc(1, sizeof(*slot) + len + 1);
		if (!slot)
			return -ENOMEM;
		memcpy(slot->name, name, len);
		slot->node = node;
		slot->entry.hash = slot_hash(node->wd, name);
		list_init(&slot->interests);
		if (table_add(&in->slots, &slot->entry) < 0) {
			free(slot);
			return -ENOMEM;
		}
		node->n_slots++;
	}
	*ret = slot;
	return 0;
}

static void slot_drop_unused(struct inotify *in, struct slot *slot)
{
	struct node *node = slot->node;

	if (!list_empty(&slot->interests))
		return;
	table_remove(&in->slots, &slot->entry);
	free(slot);
	node->n_slots--;
	node_drop_unused(in, node);
}

int inotify_add(struct inotify *in, const char *dir, enum inotify_kind kind, const char *name,
		void *owner, struct inotify_interest **ret)
{
	uint32_t mask = kind == INOTIFY_WAY ? MASK_WAY : MASK_NAME;
	struct inotify_interest *interest;
	struct slot *slot;
	struct node *node;
	int wd, r;

	wd = inotify_add_watch(in->fd, dir, mask | MASK_FLAGS);
	if (wd < 0)
		return -errno;
	r = node_get(in, wd, &node);
	if (r < 0) {
		inotify_rm_watch(in->fd, wd);
		return r;
	}
	r = slot_get(in, node, kind == INOTIFY_ANY ? "/" : name, &slot);
	if (r < 0) {
		node_drop_unused(in, node);
		return r;
	}
	interest = calloc(1, sizeof(*interest));
	if (!interest) {
		slot_drop_unused(in, slot);
		return -ENOMEM;
	}
	interest->slot = slot;
	interest->owner = owner;
	list_push(&slot->interests, &interest->link);
	*ret = interest;
	return 0;
}

void inotify_remove(struct inotify *in, struct inotify_interest *interest)
{
	if (!interest)
		return;
	list_remove(&interest->link);
	slot_drop_unused(in, interest->slot);
	free(interest);
}

/* `changed` only marks the owner, by its contract, so the list stays as it is. */
static void slot_tell(struct inotify *in, int wd, const char *name)
{
	struct slot *slot = slot_find(in, wd, name);
	struct list *pos;

	if (!slot)
		return;
	list_for_each (pos, &slot->interests)
		in->ops.changed(container_of(pos, struct inotify_interest, link)->owner);
}

static void event_dispatch(struct inotify *in, const struct inotify_event *event)
{
	struct node *node;

	if (event->mask & IN_Q_OVERFLOW) {
		in->overflows++;
		in->ops.overflow(in->ops.user);
	} else if (event->mask & IN_IGNORED) {
		node = node_find(in, event->wd);
		if (node)
			node->dead = true;
	} else if (event->len) {
		slot_tell(in, event->wd, event->name);
		slot_tell(in, event->wd, "/");
	}
}

/* What comes while it reads waits for the next call, or a storm would never let it end. */
void inotify_drain(struct inotify *in)
{
	char buf[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
	int queued = 0;
	ssize_t n;

	if (ioctl(in->fd, FIONREAD, &queued) < 0)
		return;
	for (; queued > 0; queued -= (int)n) {
		n = read(in->fd, buf, sizeof(buf));
		if (n <= 0)
			return;
		for (const char *p = buf; p < buf + n;) {
			const struct inotify_event *event = (const void *)p;

			event_dispatch(in, event);
			p += sizeof(*event) + event->len;
		}
	}
}

static void inotify_fire(void *data, uint32_t events)
{
	(void)events;
	inotify_drain(data);
}

int inotify_create(struct loop *loop, const struct inotify_ops *ops, struct inotify **ret)
{
	struct inotify *in = calloc(1, sizeof(*in));
	int r;

	if (!in)
		return -ENOMEM;
	in->ops = *ops;
	in->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (in->fd < 0) {
		r = -errno;
		goto fail;
	}
	in->io = loop_io_add(loop, in->fd, LOOP_READ, inotify_fire, in);
	if (!in->io) {
		r = -ENOMEM;
		goto fail;
	}
	*ret = in;
	return 0;
fail:
	inotify_destroy(in);
	return r;
}

void inotify_destroy(struct inotify *in)
{
	if (!in)
		return;
	assert(!in->slots.n && !in->nodes.n);
	loop_io_remove(in->io);
	if (in->fd >= 0)
		close(in->fd);
	table_finish(&in->slots);
	table_finish(&in->nodes);
	free(in);
}

uint64_t inotify_overflows(const struct inotify *in)
{
	return in->overflows;
}

size_t inotify_watches(const struct inotify *in)
{
	return in->nodes.n;
}
