/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h - a doubly linked list whose links lie inside the members.
 *
 * A head that was initialised, and a member that was, may be removed or asked
 * at any time: list_remove() leaves a member initialised.  No locks.
 */
#ifndef S3_BASE_LIST_H
#define S3_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

/* The structure of ${type} whose member ${field} is the link ${ptr}. */
#define LIST_ENTRY(ptr, type, field)                                           \
	((type *)(void *)((char *)(ptr)-offsetof(type, field)))

static inline void
list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool
list_is_empty(const struct list *l)
{
	return l->next == l;
}

/* Put ${l} at the end of the list ${head}.  ${l} is in no list. */
static inline void
list_append(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

/* Take ${l} out of its list, if it is in one. */
static inline void
list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* Take out and return the first link of ${head}, or NULL. */
static inline struct list *
list_pop(struct list *head)
{
	struct list *l = head->next;

	if (l == head)
		return NULL;
	list_remove(l);
	return l;
}

#endif
