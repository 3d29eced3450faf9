/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry_change.c - entries in memory that our own hand has changed: which they
 * are, what they are called, where their bytes lie.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/entry_table.h"
#include "cache/stage.h"
#include "s3/base/cleanup.h"
#include "s3/base/text.h"

int64_t
entry_ctime_locked(const struct entry *e, int64_t ctime_ns)
{
	/* Of the future: another's clock is wrong. */
	if (ctime_ns > clock_wall_ns(e->cache->clock))
		return e->mtime_ns;
	return ctime_ns > e->mtime_ns ? ctime_ns : e->mtime_ns;
}

void
entries_overlay(struct cache *c, struct cache_attr *attr)
{
	struct entry *e;

	if (atomic_load(&c->entries->modified) == 0)
		return;
	e = entry_find(c, attr->node);
	if (e == NULL)
		return;
	lock_take(&e->lock);
	if (e->is_modified) {
		attr->size = e->size;
		if (e->mtime_ns != 0) {
			attr->mtime_ns = e->mtime_ns;
			attr->ctime_ns = entry_ctime_locked(e, attr->ctime_ns);
		}
	}
	lock_drop(&e->lock);
	entry_put(e);
}

void
entry_set_modified_locked(struct entry *e, bool modified)
{
	struct entries *t = e->cache->entries;

	if (e->is_modified == modified)
		return;
	e->is_modified = modified;
	if (modified)
		atomic_fetch_add(&t->modified, 1);
	else
		atomic_fetch_sub(&t->modified, 1);
}

const char *
entry_base_key(const struct entry *e)
{
	return e->base_key != NULL ? e->base_key : e->key;
}

const char *
entry_base_etag(const struct entry *e)
{
	return e->base_key != NULL ? e->base_etag : e->etag;
}

bool
entry_is_here(const struct entry *e)
{
	return rangeset_has(&e->chunk.present, 0, e->size);
}

bool
entry_may_fetch(const struct entry *e)
{
	/* A new file's clean bytes lie in what it is a clone of, or in its
	 * staging object; it has none of its own. */
	return !e->is_only_copy && (!e->is_new || e->base_key != NULL);
}

bool
entry_is_emptied(const struct entry *e)
{
	return e->takes_over ||
	       (e->chunk.base_size == 0 && e->object_size > 0 &&
		   e->object_size != ENTRY_SIZE_UNKNOWN);
}

bool
entry_is_staged(const struct entry *e)
{
	return e->base_key != NULL && stage_has_key(e->cache, e->base_key);
}

int
entry_set_base_locked(struct entry *e, const char *key, const char *etag)
{
	AUTO_FREE char *new_key = text_copy(key);
	AUTO_FREE char *new_etag = text_copy(etag);

	if ((key != NULL && new_key == NULL) ||
	    (etag != NULL && new_etag == NULL))
		return -ENOMEM;
	if (e->base_key == NULL && key != NULL)
		atomic_fetch_add(&e->cache->entries->clones, 1);
	if (e->base_key != NULL && key == NULL)
		atomic_fetch_sub(&e->cache->entries->clones, 1);
	e->chunk.is_changed = true;
	if (entry_is_staged(e))
		stage_sweep(e->cache);
	free(e->base_key);
	free(e->base_etag);
	e->base_key = TAKE(new_key);
	e->base_etag = TAKE(new_etag);
	return 0;
}

int
entry_keep_base_locked(struct entry *e)
{
	struct db_intent base = { .entry = e->ino,
		.kind = DB_INTENT_BASE,
		.source_key = e->base_key,
		.etag = e->base_etag,
		.made_ms = cache_now_ms(e->cache) };
	int r = db_intent_drop(e->cache->db, e->ino, DB_INTENT_BASE);

	return r == 0 && e->base_key != NULL
		   ? db_intent_put(e->cache->db, &base)
		   : r;
}

int
entry_drop_intents_locked(struct entry *e)
{
	struct db *db = e->cache->db;
	int r = 0;

	if (e->has_intent)
		r = db_intent_drop(db, e->ino, DB_INTENT_BYTES);
	if (r == 0 && e->base_key != NULL)
		r = db_intent_drop(db, e->ino, DB_INTENT_BASE);
	return r;
}

struct entry *
entries_find_clone(struct cache *c, const char *key)
{
	struct entries *t = c->entries;
	struct entry *found = NULL;

	if (atomic_load(&t->clones) == 0)
		return NULL;
	lock_take(&t->lock);
	for (struct list *l = t->all.next; found == NULL && l != &t->all;
	     l = l->next) {
		struct entry *e = LIST_ENTRY(l, struct entry, link);

		lock_take(&e->lock);
		if (e->base_key != NULL && strcmp(e->base_key, key) == 0) {
			entry_hold(e);
			found = e;
		}
		lock_drop(&e->lock);
	}
	lock_drop(&t->lock);
	return found;
}

struct entry *
entries_find_unlinked(struct cache *c, const char *key)
{
	struct entries *t = c->entries;
	struct entry *found = NULL;

	lock_take(&t->lock);
	for (struct list *l = t->all.next; found == NULL && l != &t->all;
	     l = l->next) {
		struct entry *e = LIST_ENTRY(l, struct entry, link);

		lock_take(&e->lock);
		if (e->is_unlinked && !e->is_only_copy && e->lost == 0 &&
		    e->base_key == NULL && strcmp(e->key, key) == 0) {
			entry_hold(e);
			found = e;
		}
		lock_drop(&e->lock);
	}
	lock_drop(&t->lock);
	return found;
}

static bool
is_owing_locked(const struct entry *e)
{
	return e->sent_generation < e->generation && !e->is_unlinked;
}

static bool
is_owing(struct entry *e)
{
	bool owing;

	lock_take(&e->lock);
	owing = is_owing_locked(e);
	lock_drop(&e->lock);
	return owing;
}

static int
collect(struct cache *c, bool owing, struct entry ***ret, size_t *ret_count)
{
	struct entries *t = c->entries;
	struct entry **all;
	size_t count = 0;

	lock_take(&t->lock);
	all = calloc(t->by_node.count + 1, sizeof(*all));
	for (struct list *l = t->all.next; all != NULL && l != &t->all;
	     l = l->next) {
		struct entry *e = LIST_ENTRY(l, struct entry, link);

		if (owing && !is_owing(e))
			continue;
		entry_hold(e);
		all[count++] = e;
	}
	lock_drop(&t->lock);
	if (all == NULL)
		return -ENOMEM;
	*ret = all;
	*ret_count = count;
	return 0;
}

int
entries_all(struct cache *c, struct entry ***ret, size_t *ret_count)
{
	return collect(c, false, ret, ret_count);
}

int
entries_modified(struct cache *c, struct entry ***ret, size_t *ret_count)
{
	return collect(c, true, ret, ret_count);
}

/* One that has changes.  Its lock is held. */
static void
count_locked(const struct entry *e, struct entries_changes *ret)
{
	ret->dirty++;
	ret->failed += e->error_count > 0 ? 1 : 0;
	if (e->dirty_ms != 0 &&
	    (ret->oldest_ms == 0 || e->dirty_ms < ret->oldest_ms))
		ret->oldest_ms = e->dirty_ms;
}

void
entries_count_changes(struct cache *c, struct entries_changes *ret)
{
	struct entries *t = c->entries;

	*ret = (struct entries_changes){ 0 };
	lock_take(&t->lock);
	for (struct list *l = t->all.next; l != &t->all; l = l->next) {
		struct entry *e = LIST_ENTRY(l, struct entry, link);

		lock_take(&e->lock);
		if (is_owing_locked(e))
			count_locked(e, ret);
		lock_drop(&e->lock);
	}
	lock_drop(&t->lock);
}

/* ${key} with ${from} at its start replaced by ${to}; NULL: no memory. */
static char *
moved_key(const char *key, const char *from, const char *to)
{
	size_t rest = strlen(key) - strlen(from);
	char *moved = malloc(strlen(to) + rest + 1);

	if (moved != NULL) {
		memcpy(moved, to, strlen(to));
		memcpy(moved + strlen(to), key + strlen(from), rest + 1);
	}
	return moved;
}

/* Whether ${key} is ${from}, or below it where that is a directory. */
static bool
is_moved(const char *key, const char *from)
{
	size_t len = strlen(from);

	if (strncmp(key, from, len) != 0)
		return false;
	return key[len] == '\0' || (len > 0 && from[len - 1] == '/');
}

/* A clone of what is moved. */
static int
rebase_locked(
    struct entry *e, const char *from, const char *to, const char *etag)
{
	AUTO_FREE char *key = NULL;
	int r;

	if (e->base_key == NULL || !is_moved(e->base_key, from))
		return 0;
	key = moved_key(e->base_key, from, to);
	if (key == NULL)
		return -ENOMEM;
	r = entry_set_base_locked(e, key, etag != NULL ? etag : e->base_etag);
	return r == 0 ? entry_keep_base_locked(e) : r;
}

static int
rekey_locked(
    struct entry *e, const char *from, const char *to, const char *etag)
{
	AUTO_FREE char *key = NULL;
	AUTO_FREE char *copy = text_copy(etag);
	int r = rebase_locked(e, from, to, etag);

	if (r < 0)
		return r;
	if (e->is_superseded || e->is_unlinked || !is_moved(e->key, from))
		return 0;
	key = moved_key(e->key, from, to);
	if (key == NULL || (etag != NULL && copy == NULL))
		return -ENOMEM;
	free(e->key);
	e->key = TAKE(key);
	if (etag != NULL) {
		free(e->etag);
		e->etag = TAKE(copy);
		free(e->version_id);
		e->version_id = NULL;
	}
	return 0;
}

int
entries_rekey_but(struct cache *c, const char *from, const char *to,
    const char *etag, uint64_t but)
{
	struct entries *t = c->entries;
	int r = 0;

	lock_take(&t->lock);
	for (struct list *l = t->all.next; r == 0 && l != &t->all;
	     l = l->next) {
		struct entry *e = LIST_ENTRY(l, struct entry, link);

		if (e->node == but)
			continue;
		lock_take(&e->lock);
		r = rekey_locked(e, from, to, etag);
		lock_drop(&e->lock);
	}
	lock_drop(&t->lock);
	return r;
}

int
entries_rekey(
    struct cache *c, const char *from, const char *to, const char *etag)
{
	return entries_rekey_but(c, from, to, etag, 0);
}

int
entries_rekey_one(struct cache *c, uint64_t node, const char *from,
    const char *to, const char *etag)
{
	struct entries *t = c->entries;
	int r = 0;

	lock_take(&t->lock);
	for (struct list *l = t->all.next; r == 0 && l != &t->all;
	     l = l->next) {
		struct entry *e = LIST_ENTRY(l, struct entry, link);

		lock_take(&e->lock);
		r = e->node == node ? rekey_locked(e, from, to, etag)
				    : rebase_locked(e, from, to, etag);
		lock_drop(&e->lock);
	}
	lock_drop(&t->lock);
	return r;
}
