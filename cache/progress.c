/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.c - how far the renames of directories are, for people.
 */
#include "cache/progress.h"

#include <assert.h>

void
progresses_init(struct progresses *t)
{
	lock_init(&t->lock);
	list_init(&t->all);
}

void
progresses_fini(struct progresses *t)
{
	assert(list_is_empty(&t->all));
	lock_fini(&t->lock);
}

void
progress_begin(
    struct progresses *t, struct progress *p, const char *from, const char *to)
{
	list_init(&p->link);
	p->from = from;
	p->to = to;
	lock_take(&t->lock);
	list_append(&t->all, &p->link);
	lock_drop(&t->lock);
}

void
progress_end(struct progresses *t, struct progress *p)
{
	if (p->from == NULL)
		return;
	lock_take(&t->lock);
	list_remove(&p->link);
	lock_drop(&t->lock);
	p->from = NULL;
}

const char *
progress_stage_name(const struct progress *p)
{
	static const char *const names[] = { [PROGRESS_COPYING] = "copying",
		[PROGRESS_DELETING] = "deleting",
		[PROGRESS_UNDOING] = "undoing" };

	return names[atomic_load_explicit(&p->stage, memory_order_relaxed)];
}

void
progresses_each(struct progresses *t, progress_fn *fn, void *arg)
{
	bool more = true;

	lock_take(&t->lock);
	for (struct list *l = t->all.next; more && l != &t->all; l = l->next)
		more = fn(arg, LIST_ENTRY(l, struct progress, link));
	lock_drop(&t->lock);
}
