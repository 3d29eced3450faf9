/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - open files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/lookup.h"
#include "cache/pool.h"
#include "cache/read.h"
#include "s3/base/cleanup.h"

struct cache_file {
	struct entry *entry;     /* [I] a reference */
	struct read_state reads; /* [e] */
};

static int
check_open(const struct row *row, int flags)
{
	if (row->kind == ROW_DIR)
		return -EISDIR;
	if (row->kind == ROW_SYMLINK)
		return -ELOOP;
	if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0)
		return -EROFS;
	return 0;
}

int
cache_file_open(struct cache *c, uint64_t node, int flags, struct waiter *w,
    struct cache_file **ret)
{
	AUTO(row_fini) struct row row = { 0 };
	AUTO_FREE struct cache_file *f = calloc(1, sizeof(*f));
	int r;

	if (f == NULL)
		return -ENOMEM;
	r = lookup_node(c, node, false, w, &row);
	if (r == 0)
		r = check_open(&row, flags);
	if (r == 0)
		r = entry_get(c, node, &f->entry);
	if (r < 0)
		return r;
	/* The row is believed: the version is there (again). */
	lock_take(&f->entry->lock);
	f->entry->lost = 0;
	lock_drop(&f->entry->lock);
	entry_add_handle(f->entry);
	stats_add(&c->stats, STAT_OPEN_FILES, 1);
	*ret = TAKE(f);
	return 0;
}

void
cache_file_close(struct cache_file *f)
{
	struct entry *e;

	if (f == NULL)
		return;
	e = f->entry;
	stats_sub(&e->cache->stats, STAT_OPEN_FILES, 1);
	if (entry_drop_handle(e))
		read_cancel(e);
	entry_put(e);
	free(f);
}

bool
cache_file_keeps_pages(struct cache_file *f)
{
	/* A node is one version: its pages are right for ever. */
	(void)f;
	return true;
}

int
cache_file_read(struct cache_file *f, uint64_t off, size_t len,
    struct waiter *w, struct cache_bytes *ret)
{
	return read_bytes(f->entry, &f->reads, off, len, w, ret);
}

void
cache_bytes_put(struct cache *c, struct cache_bytes *b)
{
	if (b->owner != NULL)
		pool_put(c->pool, b->owner);
	b->owner = NULL;
}
