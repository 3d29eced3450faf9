/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keylock.c - one mutating request a key in flight.
 *
 * Role:    used by all that changes the bucket.  Threads: any but the net
 *          thread.  Locks: its own, a leaf; a waiter is woken under it.
 *
 * A mark is handed over: who drops one gives it to the first that waits, so
 * that nobody who comes later gets in between, and an interrupt that comes
 * after that comes too late.
 */
#include "cache/keylock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/keywatch.h"
#include "s3/base/wait.h"

void
keylocks_init(struct keylocks *t)
{
	lock_init(&t->lock);
	list_init(&t->busy);
	list_init(&t->watches);
}

void
keylocks_fini(struct keylocks *t)
{
	assert(list_is_empty(&t->busy));
	lock_fini(&t->lock);
}

static struct keylock *
find_locked(struct keylocks *t, const char *key) LOCK_HELD(t->lock)
{
	struct keylock *k;
	struct list *l;

	for (l = t->busy.next; l != &t->busy; l = l->next) {
		k = LIST_ENTRY(l, struct keylock, link);
		if (strcmp(k->key, key) == 0)
			return k;
	}
	return NULL;
}

static void
mark_locked(struct keylocks *t, struct keylock *k) LOCK_HELD(t->lock)
{
	k->is_held = true;
	list_append(&t->busy, &k->link);
	for (struct list *l = t->watches.next; !k->is_look && l != &t->watches;
	     l = l->next)
		keywatch_note(LIST_ENTRY(l, struct keywatch, link), k->key);
}

/* Give the mark of ${k} to the first that waits for it, and with it those
 * that wait behind. */
static void
hand_over_locked(struct keylocks *t, struct keylock *k) LOCK_HELD(t->lock)
{
	struct list *l = list_pop(&k->waiters);
	struct keylock *next;

	if (l == NULL)
		return;
	next = LIST_ENTRY(l, struct keylock, link);
	while ((l = list_pop(&k->waiters)) != NULL)
		list_append(&next->waiters, l);
	mark_locked(t, next);
	waiter_wake(next->waiter);
}

/* Wait until ${k}, which is on the list of one that is held, is handed the
 * mark. */
static int
wait_for(struct keylocks *t, struct keylock *k)
{
	bool is_held;
	int r;

	do {
		r = waiter_wait(k->waiter, WAIT_FOREVER);
		lock_take(&t->lock);
		is_held = k->is_held;
		if (!is_held && r < 0)
			list_remove(&k->link);
		lock_drop(&t->lock);
	} while (!is_held && r == 0);
	return is_held ? 0 : r;
}

/* ${k} has its key and its waiter. */
static int
take(struct keylocks *t, struct keylock *k)
{
	struct keylock *other;

	waiter_reset(k->waiter);
	lock_take(&t->lock);
	other = find_locked(t, k->key);
	if (other == NULL)
		mark_locked(t, k);
	else
		list_append(&other->waiters, &k->link);
	lock_drop(&t->lock);
	return other == NULL ? 0 : wait_for(t, k);
}

static void
clear(struct keylock *k)
{
	free(k->key);
	memset(k, 0, sizeof(*k));
}

static int
take_key(struct keylocks *t, const char *key, bool is_look, struct waiter *w,
    struct keylock *ret)
{
	char *copy = strdup(key);
	struct waiter own;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (copy == NULL)
		return -ENOMEM;
	ret->key = copy;
	ret->is_look = is_look;
	list_init(&ret->link);
	list_init(&ret->waiters);
	if (w == NULL)
		waiter_init(&own);
	ret->waiter = w == NULL ? &own : w;
	r = take(t, ret);
	ret->waiter = NULL;
	if (w == NULL)
		waiter_fini(&own);
	if (r < 0)
		clear(ret);
	return r;
}

int
keylock_take(
    struct keylocks *t, const char *key, struct waiter *w, struct keylock *ret)
{
	return take_key(t, key, false, w, ret);
}

int
keylock_look(
    struct keylocks *t, const char *key, struct waiter *w, struct keylock *ret)
{
	return take_key(t, key, true, w, ret);
}

int
keylock_try(struct keylocks *t, const char *key, struct keylock *ret)
{
	char *copy = strdup(key);
	bool is_free;

	memset(ret, 0, sizeof(*ret));
	if (copy == NULL)
		return -ENOMEM;
	ret->key = copy;
	list_init(&ret->link);
	list_init(&ret->waiters);
	lock_take(&t->lock);
	is_free = find_locked(t, key) == NULL;
	if (is_free)
		mark_locked(t, ret);
	lock_drop(&t->lock);
	if (!is_free)
		clear(ret);
	return is_free ? 0 : -EBUSY;
}

static int
take_in_order(struct keylocks *t, const char *first, const char *second,
    struct waiter *w, struct keylock *ret_first, struct keylock *ret_second)
{
	int r;

	r = keylock_take(t, first, w, ret_first);
	if (r < 0)
		return r;
	r = keylock_take(t, second, w, ret_second);
	if (r < 0)
		keylock_drop(t, ret_first);
	return r;
}

int
keylock_take_two(struct keylocks *t, const char *a, const char *b,
    struct waiter *w, struct keylock *ret_a, struct keylock *ret_b)
{
	int order = strcmp(a, b);

	memset(ret_a, 0, sizeof(*ret_a));
	memset(ret_b, 0, sizeof(*ret_b));
	if (order == 0)
		return keylock_take(t, a, w, ret_a);
	if (order < 0)
		return take_in_order(t, a, b, w, ret_a, ret_b);
	return take_in_order(t, b, a, w, ret_b, ret_a);
}

void
keylock_drop(struct keylocks *t, struct keylock *k)
{
	if (!k->is_held)
		return;
	lock_take(&t->lock);
	list_remove(&k->link);
	hand_over_locked(t, k);
	lock_drop(&t->lock);
	clear(k);
}

void
keylock_set_sending(struct keylocks *t, const char *key, bool is_sending)
{
	struct keylock *k;

	lock_take(&t->lock);
	k = find_locked(t, key);
	if (k != NULL)
		k->is_sending = is_sending;
	lock_drop(&t->lock);
}

bool
keylock_is_sending(struct keylocks *t, const char *key)
{
	struct keylock *k;
	bool sending;

	lock_take(&t->lock);
	k = find_locked(t, key);
	sending = k != NULL && k->is_sending;
	lock_drop(&t->lock);
	return sending;
}

static bool
is_filled_locked(struct keylocks *t, const char *key) LOCK_HELD(t->lock)
{
	for (struct list *l = t->watches.next; l != &t->watches; l = l->next) {
		const char *filled =
		    LIST_ENTRY(l, struct keywatch, link)->filled;

		if (strncmp(key, filled, strlen(filled)) == 0)
			return true;
	}
	return false;
}

bool
keylock_is_ours(struct keylocks *t, const char *key)
{
	bool filled;

	lock_take(&t->lock);
	filled = is_filled_locked(t, key);
	lock_drop(&t->lock);
	return filled || keylock_is_sending(t, key);
}

bool
keylock_is_any_ours(struct keylocks *t)
{
	bool sending;

	lock_take(&t->lock);
	sending = !list_is_empty(&t->watches);
	for (struct list *l = t->busy.next; l != &t->busy && !sending;
	     l = l->next)
		sending = LIST_ENTRY(l, struct keylock, link)->is_sending;
	lock_drop(&t->lock);
	return sending;
}

void
keylock_watch(struct keylocks *t, struct keywatch *w)
{
	lock_take(&t->lock);
	list_append(&t->watches, &w->link);
	for (struct list *l = t->busy.next; l != &t->busy; l = l->next) {
		const struct keylock *k = LIST_ENTRY(l, struct keylock, link);

		if (!k->is_look)
			keywatch_note(w, k->key);
	}
	lock_drop(&t->lock);
}

void
keylock_unwatch(struct keylocks *t, struct keywatch *w)
{
	lock_take(&t->lock);
	list_remove(&w->link);
	lock_drop(&t->lock);
}

int
keylock_watched(
    struct keylocks *t, struct keywatch *w, char ***ret, size_t *ret_count)
{
	int r;

	lock_take(&t->lock);
	r = w->is_short ? -ENOMEM : 0;
	*ret = w->keys;
	*ret_count = w->count;
	w->keys = NULL;
	w->count = 0;
	w->size = 0;
	lock_drop(&t->lock);
	return r;
}
