/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nameless.c - versions whose name our own hand took away.
 */
#include "cache/nameless.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "s3/base/list.h"
#include "s3/base/lock.h"
#include "s3/base/map.h"

struct nameless {
	struct lock lock;
	struct map by_node;     /* [lock] to struct version */
	struct list all;        /* [lock] struct version */
	_Atomic unsigned count; /* [a] of them */
};

struct version {
	struct list link;    /* [lock] */
	struct row row;      /* [lock] */
	struct entry *entry; /* [lock] a reference, or NULL */
};

int
nameless_new(struct nameless **ret)
{
	struct nameless *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	lock_init(&t->lock);
	map_init(&t->by_node);
	list_init(&t->all);
	*ret = t;
	return 0;
}

static struct version *
find_locked(struct nameless *t, uint64_t node)
{
	uint64_t value;

	return map_get(&t->by_node, node, &value)
		   ? (struct version *)(uintptr_t)value
		   : NULL;
}

/* Out of the table; its entry, if any, is the caller's. */
static struct entry *
remove_locked(struct nameless *t, struct version *v)
{
	struct entry *e = v->entry;

	(void)map_remove(&t->by_node, v->row.node); /* it is there */
	list_remove(&v->link);
	atomic_fetch_sub(&t->count, 1);
	row_fini(&v->row);
	free(v);
	return e;
}

int
nameless_add(struct cache *c, const struct row *row)
{
	struct nameless *t = c->nameless;
	struct version *v = calloc(1, sizeof(*v));
	int r = v == NULL ? -ENOMEM : row_copy(&v->row, row);

	nameless_drop(c, row->node); /* of a transaction that failed */
	if (r == 0) {
		v->row.name_state = NAME_GONE;
		lock_take(&t->lock);
		r = map_set(&t->by_node, row->node, (uintptr_t)v);
		if (r == 0) {
			list_append(&t->all, &v->link);
			atomic_fetch_add(&t->count, 1);
		}
		lock_drop(&t->lock);
	}
	if (r < 0 && v != NULL) {
		row_fini(&v->row);
		free(v);
	}
	return r;
}

/* Returns: the entry that was held, the caller's now. */
static struct entry *
take_out(struct nameless *t, uint64_t node)
{
	struct entry *e = NULL;
	struct version *v;

	if (atomic_load(&t->count) == 0)
		return NULL;
	lock_take(&t->lock);
	v = find_locked(t, node);
	if (v != NULL)
		e = remove_locked(t, v);
	lock_drop(&t->lock);
	return e;
}

void
nameless_drop(struct cache *c, uint64_t node)
{
	/* None is held before the commit. */
	(void)take_out(c->nameless, node);
}

void
cache_forget(struct cache *c, uint64_t node)
{
	entry_put(take_out(c->nameless, node));
}

static bool
is_dir(struct nameless *t, uint64_t node)
{
	struct version *v;
	bool is;

	lock_take(&t->lock);
	v = find_locked(t, node);
	is = v != NULL && v->row.kind == ROW_DIR;
	lock_drop(&t->lock);
	return is;
}

void
nameless_begin(struct cache *c, uint64_t node)
{
	if (!is_dir(c->nameless, node))
		entries_unlink(c, node);
	if (c->hooks.is_known != NULL && !c->hooks.is_known(c->hooks.arg, node))
		cache_forget(c, node);
}

void
nameless_hold(struct cache *c, struct entry *e)
{
	struct nameless *t = c->nameless;
	struct version *v;

	lock_take(&t->lock);
	v = find_locked(t, e->node);
	if (v != NULL && v->entry == NULL) {
		v->entry = e;
		e = NULL;
	}
	lock_drop(&t->lock);
	entry_put(e);
}

int
nameless_row(struct cache *c, uint64_t node, struct row *ret)
{
	struct nameless *t = c->nameless;
	struct version *v;
	int r = -ENOENT;

	if (atomic_load(&t->count) == 0)
		return r;
	lock_take(&t->lock);
	v = find_locked(t, node);
	if (v != NULL)
		r = row_copy(ret, &v->row);
	lock_drop(&t->lock);
	return r;
}

int
nameless_change(struct cache *c, uint64_t node, nameless_fn *fn, void *arg)
{
	struct nameless *t = c->nameless;
	struct version *v;
	int r = -ENOENT;

	lock_take(&t->lock);
	v = find_locked(t, node);
	if (v != NULL)
		r = fn(arg, &v->row);
	lock_drop(&t->lock);
	return r;
}

void
nameless_forget_all(struct cache *c)
{
	struct nameless *t = c->nameless;
	struct entry *e;
	bool more = t != NULL;

	while (more) {
		e = NULL;
		lock_take(&t->lock);
		more = !list_is_empty(&t->all);
		if (more)
			e = remove_locked(
			    t, LIST_ENTRY(t->all.next, struct version, link));
		lock_drop(&t->lock);
		entry_put(e);
	}
}

void
nameless_free(struct nameless *t)
{
	if (t == NULL)
		return;
	map_fini(&t->by_node);
	lock_fini(&t->lock);
	free(t);
}
