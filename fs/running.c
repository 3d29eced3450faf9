/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running.c - the operations under way that may wait.
 */
#include "fs/running.h"
#include "fs/asked.h"
#include "s3/base/wait.h"

void
running_init(struct running *g)
{
	lock_init(&g->lock);
	list_init(&g->list);
	g->is_ending = false;
}

void
running_fini(struct running *g)
{
	lock_fini(&g->lock);
}

void
running_add(struct running *g, struct runner *one, struct waiter *w)
{
	one->waiter = w;
	one->had_signal = false;
	lock_take(&g->lock);
	list_append(&g->list, &one->link);
	if (g->is_ending)
		waiter_interrupt(w);
	lock_drop(&g->lock);
}

void
running_remove(struct running *g, struct runner *one)
{
	lock_take(&g->lock);
	list_remove(&one->link);
	lock_drop(&g->lock);
}

/* The lock is held. */
static void
judge_locked(struct runner *one)
{
	if (asked_to_end(one->tid))
		waiter_interrupt(one->waiter);
	else
		one->had_signal = true;
}

void
running_signal(struct running *g, struct runner *one)
{
	lock_take(&g->lock);
	judge_locked(one);
	lock_drop(&g->lock);
}

void
running_look(struct running *g)
{
	lock_take(&g->lock);
	for (struct list *l = g->list.next; l != &g->list; l = l->next) {
		struct runner *one = LIST_ENTRY(l, struct runner, link);

		if (one->had_signal)
			judge_locked(one);
	}
	lock_drop(&g->lock);
}

void
running_end(struct running *g)
{
	lock_take(&g->lock);
	g->is_ending = true;
	for (struct list *l = g->list.next; l != &g->list; l = l->next)
		waiter_interrupt(LIST_ENTRY(l, struct runner, link)->waiter);
	lock_drop(&g->lock);
}
