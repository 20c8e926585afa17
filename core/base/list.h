/*
 * base/list - intrusive doubly linked list; an element that is not in a list points to itself
 */
#ifndef HC_BASE_LIST_H
#define HC_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev;
	struct list *next;
};

#define container_of(ptr, type, member)                                                            \
	((type *)(void *)((char *)(void *)(ptr)-offsetof(type, member)))

#define list_for_each(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* pos may be taken out of the list inside the loop; next must not be. */
#define list_for_each_safe(pos, follow, head)                                                      \
	for ((pos) = (head)->next, (follow) = (pos)->next; (pos) != (head);                        \
	     (pos) = (follow), (follow) = (pos)->next)

static inline void list_init(struct list *l)
{
	l->prev = l;
	l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Appends an element that is in no list. */
static inline void list_push(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

/* Takes an element out; harmless for one that is in no list. */
static inline void list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

#endif
