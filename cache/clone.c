/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone.c - a file whose bytes are those of another object.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/clone.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/send.h"
#include "cache/stage.h"
#include "cache/write.h"
#include "s3/base/cleanup.h"
#include "s3/base/wait.h"

/* Whether ${from} is wholly what S3 has.  Its lock is held. */
static bool
may_clone(const struct entry *from, uint64_t len)
{
	return from->state == BYTES_CLEAN && !from->is_new &&
	       !from->is_superseded && from->etag != NULL && from->size > 0 &&
	       from->size <= len;
}

/* The source's ${key} is busy. */
static int
clone_locked(struct entry *from, struct entry *to, const char *key,
    uint64_t len, struct waiter *w, uint64_t *ret_len)
{
	AUTO_FREE char *etag = NULL;
	uint64_t size;
	int r;

	lock_take(&from->lock);
	size = from->size;
	if (may_clone(from, len) && strcmp(from->key, key) == 0)
		etag = strdup(from->etag);
	lock_drop(&from->lock);
	if (etag == NULL)
		return 0;
	r = write_clone(to, key, etag, size, w);
	if (r < 0)
		return r;
	*ret_len = size;
	return r == 0 ? 1 : 0;
}

int
clone_try(struct entry *from, struct entry *to, uint64_t len, struct waiter *w,
    uint64_t *ret_len)
{
	struct keylocks *keys = &from->cache->keylocks;
	AUTO_FREE char *key = NULL;
	struct keylock lock = { 0 };
	bool fits;
	int r = 0;

	lock_take(&to->lock);
	fits = from != to && to->size == 0 && !to->is_unlinked;
	lock_drop(&to->lock);
	lock_take(&from->lock);
	if (fits && may_clone(from, len))
		key = strdup(from->key);
	lock_drop(&from->lock);
	if (key == NULL)
		return 0;
	/* Whoever changes the source then finds the clone. */
	r = keylock_take(keys, key, w, &lock);
	if (r == 0)
		r = clone_locked(from, to, key, len, w, ret_len);
	keylock_drop(keys, &lock);
	return r;
}

bool
clone_has(struct entry *from, struct entry *to, uint64_t off, uint64_t *len)
{
	AUTO_FREE char *key = NULL;
	AUTO_FREE char *etag = NULL;
	bool has;

	lock_take(&from->lock);
	if (may_clone(from, UINT64_MAX) && off < from->size) {
		key = strdup(from->key);
		etag = strdup(from->etag);
		if (*len > from->size - off)
			*len = from->size - off;
	}
	lock_drop(&from->lock);
	if (key == NULL || etag == NULL)
		return false;
	lock_take(&to->lock);
	has = to->base_key != NULL && strcmp(to->base_key, key) == 0 &&
	      strcmp(to->base_etag, etag) == 0 &&
	      off + *len <= to->chunk.base_size &&
	      !rangeset_has_any(&to->chunk.dirty, off, off + *len);
	lock_drop(&to->lock);
	return has;
}

/* Whether a flush of ${e} has taken its version, and copies from there.  One
 * that waits for a thread, or its key, has not: it may wait for us. */
static bool
is_sending(const struct entry *e)
{
	for (struct list *l = e->frozen.next; l != &e->frozen; l = l->next) {
		if (LIST_ENTRY(l, struct frozen, link)->end == UINT64_MAX)
			return true;
	}
	return false;
}

/* All bytes, which are here, are its own. */
static int
take_over_locked(struct entry *e)
{
	uint64_t before = rangeset_bytes(&e->chunk.dirty);
	int r = rangeset_add(&e->chunk.dirty, 0, e->size);

	stats_add(&e->cache->stats, STAT_DIRTY_BYTES,
	    rangeset_bytes(&e->chunk.dirty) - before);
	e->chunk.base_size = 0;
	e->object_size = 0;
	e->chunk.is_changed = true;
	if (r == 0) /* before it is forgotten where they lay */
		r = chunk_flush(&e->chunk);
	if (r == 0)
		r = entry_set_base_locked(e, NULL, NULL);
	return r == 0 ? entry_keep_base_locked(e) : r;
}

/* There is no room for them, nor need of what came, which ${keep} keeps: S3
 * copies them to a key of ours. */
static int
stage(struct entry *e, const char *key, struct reader *keep)
{
	int r;

	lock_take(&e->lock);
	list_remove(&keep->link);
	lock_drop(&e->lock);
	r = stage_clone(e, key);
	lock_take(&e->lock);
	list_append(&e->readers, &keep->link);
	lock_drop(&e->lock);
	return r;
}

/* The bytes of ${e} lie no more under ${key}: they were copied, or are here. */
static int
release(struct entry *e, const char *key)
{
	struct reader keep = { .end = UINT64_MAX };
	struct waiter w;
	int r = 0;

	waiter_init(&w);
	lock_take(&e->lock);
	list_append(&e->readers, &keep.link);
	while (r == 0 && e->base_key != NULL && strcmp(e->base_key, key) == 0) {
		if (is_sending(e)) {
			(void)waiter_wait_in(&w, &e->waiters, &e->lock);
		} else if (entry_is_here(e)) {
			r = take_over_locked(e);
		} else {
			lock_drop(&e->lock);
			r = send_localise(e, 0, UINT64_MAX);
			if (r == -ENOSPC)
				r = stage(e, key, &keep);
			lock_take(&e->lock);
		}
	}
	list_remove(&keep.link);
	lock_drop(&e->lock);
	waiter_fini(&w);
	return r;
}

int
clone_release(struct cache *c, const char *key, struct waiter *w)
{
	struct entry *e;
	int r = 0;

	(void)w; /* fetches end by themselves */
	while (r == 0 && (e = entries_find_clone(c, key)) != NULL) {
		r = release(e, key);
		entry_put(e);
	}
	return r;
}
