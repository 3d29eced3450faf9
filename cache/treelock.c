/* SPDX-License-Identifier: Apache-2.0 */
/*
 * treelock.c - renames of directories one of which is within another.
 */
#include "cache/treelock.h"

#include <assert.h>
#include <string.h>

#include "s3/base/wait.h"

void
treelocks_init(struct treelocks *t)
{
	lock_init(&t->lock);
	list_init(&t->all);
	list_init(&t->waiters);
}

void
treelocks_fini(struct treelocks *t)
{
	assert(list_is_empty(&t->all));
	lock_fini(&t->lock);
}

/* Whether one is the other, or below it. */
static bool
is_within(const char *a, const char *b)
{
	size_t x = strlen(a), y = strlen(b);

	return strncmp(a, b, x < y ? x : y) == 0;
}

static bool
overlaps(const struct treelock *a, const struct treelock *b)
{
	return is_within(a->from, b->from) || is_within(a->from, b->to) ||
	       is_within(a->to, b->from) || is_within(a->to, b->to);
}

static bool
must_wait_locked(struct treelocks *t, const struct treelock *k)
    LOCK_HELD(t->lock)
{
	for (struct list *l = t->all.next; l != &k->link; l = l->next)
		if (overlaps(LIST_ENTRY(l, struct treelock, link), k))
			return true;
	return false;
}

int
treelock_take(struct treelocks *t, const char *from, const char *to,
    struct waiter *w, struct treelock *ret)
{
	struct waiter own;
	int r = 0;

	*ret = (struct treelock){ .from = from, .to = to };
	list_init(&ret->link);
	if (w == NULL)
		waiter_init(&own);
	lock_take(&t->lock);
	list_append(&t->all, &ret->link);
	while (r == 0 && must_wait_locked(t, ret))
		r = waiter_wait_in(w == NULL ? &own : w, &t->waiters, &t->lock);
	lock_drop(&t->lock);
	if (w == NULL)
		waiter_fini(&own);
	if (r < 0)
		treelock_drop(t, ret);
	return r;
}

void
treelock_drop(struct treelocks *t, struct treelock *k)
{
	lock_take(&t->lock);
	list_remove(&k->link);
	waiter_wake_all(&t->waiters);
	lock_drop(&t->lock);
}
