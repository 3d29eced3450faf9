/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir.c - open directories.
 *
 * A cookie is the id of the row last given: rows are never renumbered, so a
 * directory may change under a reader without losing or repeating an entry
 * that was there all the time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/listing.h"
#include "cache/owed.h"
#include "cache/set.h"
#include "cache/state.h"
#include "cache/sync.h"
#include "cache/view.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/wait.h"

/* Rows read from the database at once. */
#define BATCH 256

struct cache_dir {
	struct cache *cache;
	uint64_t id;
};

int
cache_opendir(
    struct cache *c, uint64_t node, struct waiter *w, struct cache_dir **ret)
{
	AUTO(row_fini) struct row row = { 0 };
	struct cache_dir *d;
	int r;

	r = view_dir(c, node, &row);
	if (r == 0)
		r = listing_want(c, &row, w);
	if (r < 0)
		return r;
	d = malloc(sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	*d = (struct cache_dir){ .cache = c, .id = row.id };
	*ret = d;
	return 0;
}

void
cache_closedir(struct cache_dir *d)
{
	free(d);
}

/* Whether ${e} is closed, and in the directory. */
static bool
is_in(struct cache_dir *d, struct entry *e)
{
	AUTO(row_fini) struct row row = { 0 };
	bool closed;

	lock_take(&e->lock);
	closed = e->writers == 0;
	lock_drop(&e->lock);
	return closed && db_row_by_node(d->cache->db, e->node, &row) == 0 &&
	       row.parent == d->id;
}

/* Whose bytes are seen to: of the root, all. */
static bool
is_meant(struct cache_dir *d, struct entry *e)
{
	return d->id == CACHE_ROOT || is_in(d, e);
}

/* Files whose bytes were to follow: their names do, too.  The first error is
 * the result, but none keeps the others. */
static int
sync_files(struct cache_dir *d, struct waiter *w)
{
	struct entry **list = NULL;
	size_t count = 0;
	int r = entries_modified(d->cache, &list, &count);

	for (size_t i = 0; i < count; i++) {
		lock_take(&list[i]->lock);
		if (d->id == CACHE_ROOT && !sync_is_local(d->cache))
			writeback_bytes_locked(list[i]); /* all at once */
		lock_drop(&list[i]->lock);
	}
	for (size_t i = 0; i < count; i++) {
		int err = r != -EINTR && is_meant(d, list[i])
			      ? sync_file(list[i], w)
			      : 0;

		r = r < 0 && err != -EINTR ? r : err;
		entry_put(list[i]);
	}
	free(list);
	return r;
}

/* Attributes that no timer is set for any more are due all the same. */
static bool
queue_row(void *arg, const struct row *row)
{
	if (row->attr_state == ATTRS_METADIRTY)
		writeback_attrs(arg, row->id);
	return true;
}

/* Attributes: its own; of the root, all. */
static int
sync_attrs(struct cache_dir *d, struct waiter *w)
{
	struct cache *c = d->cache;
	uint64_t left = 0;
	int r;

	if (d->id != CACHE_ROOT)
		return set_send(c, d->id, w);
	r = db_rows_pending(c->db, queue_row, c);
	if (r == 0)
		r = writeback_drain_attrs(c->writeback, w, &left);
	return r == 0 && left > 0 ? -EIO : r;
}

/* What is owed to S3: its own name, those in it, and what belongs to them. */
static int
sync_remote(struct cache_dir *d, struct waiter *w)
{
	struct cache *c = d->cache;
	uint64_t left = 0;
	int r, err;

	r = owed_run(c, d->id, w);
	if (r >= 0)
		r = sync_files(d, w);
	if (r == -EINTR)
		return r;
	err = owed_wait(c, d->id == CACHE_ROOT ? 0 : d->id, w, &left);
	if (r == 0)
		r = err;
	if (err == -EINTR)
		return err;
	err = sync_attrs(d, w);
	return r < 0 ? r : err;
}

int
cache_dir_sync(struct cache_dir *d, struct waiter *w)
{
	struct cache *c = d->cache;
	struct waiter own;
	int r = 0;

	if (sync_is_local(c)) {
		/* FUSE is not told of sync(2): the root stands for all. */
		if (d->id == CACHE_ROOT)
			r = sync_files(d, w);
		return r < 0 ? r : db_sync(c->db);
	}
	if (w == NULL)
		waiter_init(&own);
	r = sync_remote(d, w == NULL ? &own : w);
	if (w == NULL)
		waiter_fini(&own);
	return r;
}

/* Rows copied out, so that none is given under the db lock. */
struct batch {
	struct cache *cache;
	struct {
		char *name; /* owned */
		struct cache_attr attr;
		uint64_t id;
	} rows[BATCH];
	unsigned count;
	uint64_t last; /* id */
	int r;
};

static bool
take_row(void *arg, const struct row *row)
{
	struct batch *b = arg;
	char *name;

	b->last = row->id;
	if (!view_is_visible(row))
		return true;
	name = strdup(row->name);
	if (name == NULL) {
		b->r = -ENOMEM;
		return false;
	}
	b->rows[b->count].name = name;
	b->rows[b->count].id = row->id;
	view_attr(b->cache, row, &b->rows[b->count].attr);
	b->count++;
	return true;
}

int
cache_readdir(struct cache_dir *d, uint64_t cookie, cache_dir_fn *fn, void *arg)
{
	AUTO_FREE struct batch *b = malloc(sizeof(*b));
	bool more = true;
	int r = 0;

	if (b == NULL)
		return -ENOMEM;
	while (more && r == 0) {
		b->cache = d->cache;
		b->count = 0;
		b->last = cookie;
		b->r = 0;
		r = db_rows_after(
		    d->cache->db, d->id, cookie, BATCH, take_row, b);
		if (r == 0)
			r = b->r;
		for (unsigned i = 0; i < b->count; i++) {
			entries_overlay(d->cache, &b->rows[i].attr);
			if (more && r == 0)
				more = fn(arg, b->rows[i].name,
				    &b->rows[i].attr, b->rows[i].id);
			free(b->rows[i].name);
		}
		if (b->last == cookie)
			break;
		cookie = b->last;
	}
	return r;
}
