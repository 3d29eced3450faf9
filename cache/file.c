/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - open files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/clone.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/lookup.h"
#include "cache/make.h"
#include "cache/name.h"
#include "cache/owed.h"
#include "cache/pool.h"
#include "cache/read.h"
#include "cache/series.h"
#include "cache/set.h"
#include "cache/sync.h"
#include "cache/view.h"
#include "cache/write.h"
#include "s3/base/cleanup.h"
#include "s3/base/wait.h"

/* Bytes of one file that are copied into another at once. */
#define COPY_PIECE ((size_t)256 << 10)

struct cache_file {
	struct entry *entry;     /* [I] a reference */
	bool may_write;          /* [I] */
	_Atomic bool is_read;    /* [a] from its start */
	struct read_state reads; /* [e] */
	unsigned errors_told;    /* [e] of entry.error_total */
};

static bool
is_for_writing(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

static int
check_open(const struct cache *c, const struct row *row, int flags)
{
	if (row->kind == ROW_DIR)
		return -EISDIR;
	if (row->kind == ROW_SYMLINK)
		return -ELOOP;
	if (is_for_writing(flags) && c->config.read_only)
		return -EROFS;
	return 0;
}

/* While its object is being removed or replaced, it opens if all is here.  It
 * may, once it has no name, as on a disk; else the caller looks again. */
static int
await_stay(struct entry *e, struct waiter *w)
{
	struct waiter own;
	int r = 0;

	if (w == NULL)
		waiter_init(&own);
	else
		waiter_reset(w);
	lock_take(&e->lock);
	while (r == 0 && e->is_leaving && !entry_is_safe(e))
		r = waiter_wait_in(w == NULL ? &own : w, &e->waiters, &e->lock);
	if (r == 0 && e->is_unlinked && !entry_is_safe(e))
		r = -ESTALE;
	if (r == 0 && !e->is_unlinked)
		e->lost = 0; /* the version is there (again) */
	lock_drop(&e->lock);
	if (w == NULL)
		waiter_fini(&own);
	return r;
}

/* Open the version ${node}, whose row is believed. */
static int
open_version(struct cache *c, uint64_t node, int flags, struct waiter *w,
    struct cache_file **ret)
{
	struct cache_file *f = calloc(1, sizeof(*f));
	int r;

	if (f == NULL)
		return -ENOMEM;
	r = entry_get(c, node, &f->entry);
	if (r < 0) {
		free(f);
		return r;
	}
	f->may_write = is_for_writing(flags);
	lock_take(&f->entry->lock);
	f->errors_told = f->entry->error_total;
	f->entry->writers += f->may_write ? 1 : 0;
	lock_drop(&f->entry->lock);
	entry_add_handle(f->entry);
	stats_add(&c->stats, STAT_OPEN_FILES, 1);
	r = await_stay(f->entry, w);
	if (r < 0)
		cache_file_close(f);
	else
		*ret = f;
	return r;
}

int
cache_file_open(struct cache *c, uint64_t node, int flags, struct waiter *w,
    struct cache_file **ret)
{
	AUTO(row_fini) struct row row = { 0 };
	struct cache_file *f;
	int r;

	r = lookup_node(c, node, false, w, &row);
	/* The kernel asks for attributes before it reads at the end. */
	if (r == 0 && c->config.ttl_ms < ANSWERED_MS)
		answered_note(&c->answered, node, clock_mono_ms(c->clock));
	if (r == 0)
		r = check_open(c, &row, flags);
	if (r == 0)
		r = open_version(c, node, flags, w, &f);
	if (r < 0)
		return r;
	if ((flags & O_TRUNC) != 0)
		r = write_truncate(f->entry, 0, w);
	if (r < 0)
		cache_file_close(f);
	else
		*ret = f;
	return r;
}

int
cache_create(struct cache *c, const struct cache_place *at,
    const struct cache_new *what, struct waiter *w,
    struct cache_file **ret_file, struct cache_attr *ret)
{
	int flags = what->flags;
	AUTO(row_fini) struct row row = { 0 };
	struct cache_file *f;
	int r;

	r = name_check_new(c, at->name);
	if (r < 0)
		return r;
	r = make_file(c, at->parent, at->name, what, w, &row);
	if (r == -EEXIST && (flags & O_EXCL) == 0 && row.id != 0)
		r = cache_file_open(c, row.node, flags, w, &f);
	else if (r == 0)
		r = open_version(c, row.node, flags | O_RDWR, w, &f);
	if (r < 0)
		return r;
	view_attr(c, &row, ret);
	entries_overlay(c, ret);
	*ret_file = f;
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
	lock_take(&e->lock);
	e->writers -= f->may_write ? 1 : 0;
	lock_drop(&e->lock);
	/* Who only read sends nothing. */
	if (f->may_write)
		sync_release(e);
	entry_put(e);
	free(f);
}

bool
cache_file_keeps_pages(struct cache_file *f)
{
	/* A node is one version, and what is written goes through the kernel's
	 * pages: they are right. */
	(void)f;
	return true;
}

int
cache_file_read(struct cache_file *f, uint64_t off, size_t len,
    struct waiter *w, struct cache_bytes *ret)
{
	int r = read_bytes(f->entry, &f->reads, off, len, w, ret);

	if (r == 0 && off == 0 && !atomic_exchange(&f->is_read, true))
		series_read(f->entry);
	return r;
}

void
cache_bytes_put(struct cache *c, struct cache_bytes *b)
{
	if (b->owner != NULL)
		pool_put(c->pool, b->owner);
	b->owner = NULL;
}

int
cache_file_write(struct cache_file *f, uint64_t off, const void *data,
    size_t len, bool append, struct waiter *w)
{
	if (!f->may_write)
		return -EBADF;
	return write_bytes(f->entry, off, data, len, append, w);
}

int
cache_file_allocate(struct cache_file *f, int mode, uint64_t off, uint64_t len,
    struct waiter *w)
{
	struct entry *e = f->entry;
	uint64_t size;

	if (!f->may_write)
		return -EBADF;
	if (len == 0)
		return -EINVAL;
	if (off > S3_OBJECT_MAX || len > S3_OBJECT_MAX - off)
		return -EFBIG;
	lock_take(&e->lock);
	size = e->size;
	lock_drop(&e->lock);
	switch (mode) {
	case 0: /* what is beyond the end reads as zeros */
		return off + len <= size ? 0 : write_truncate(e, off + len, w);
	case FALLOC_FL_KEEP_SIZE: /* there is nothing to set aside in S3 */
		return 0;
	case FALLOC_FL_ZERO_RANGE:
		return write_zero(e, off, off + len, true, w);
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
	case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
		return off >= size ? 0
				   : write_zero(e, off, off + len, false, w);
	default:
		return -EOPNOTSUPP;
	}
}

/* Bytes of one file into another, through ${piece}, of COPY_PIECE bytes: who
 * waits until ${to} may be changed holds no buffer of the readers, which who
 * sends its bytes needs. */
static int
copy_some(const struct cache_span *from, const struct cache_span *to,
    size_t len, struct waiter *w, void *piece, size_t *ret)
{
	struct cache_bytes bytes;
	size_t got;
	int r;

	r = cache_file_read(from->file, from->off, len, w, &bytes);
	if (r < 0)
		return r;
	got = bytes.len;
	if (got > 0)
		memcpy(piece, bytes.data, got);
	cache_bytes_put(from->file->entry->cache, &bytes);
	*ret = got;
	return write_bytes(to->file->entry, to->off, piece, got, false, w);
}

static int
copy_bytes(const struct cache_span *from, const struct cache_span *to,
    uint64_t len, struct waiter *w, uint64_t *ret_len)
{
	struct cache_span in = *from, out = *to;
	AUTO_FREE void *piece = malloc(COPY_PIECE);
	uint64_t done = 0;
	size_t some = 1;
	int r = piece == NULL ? -ENOMEM : 0;

	while (r == 0 && done < len && some > 0) {
		size_t want =
		    len - done < COPY_PIECE ? (size_t)(len - done) : COPY_PIECE;

		some = 0;
		r = copy_some(&in, &out, want, w, piece, &some);
		done += r == 0 ? some : 0;
		in.off = from->off + done;
		out.off = to->off + done;
	}
	if (r < 0 && done == 0)
		return r;
	*ret_len = done;
	return 0;
}

int
cache_file_copy(const struct cache_span *from, const struct cache_span *to,
    uint64_t len, struct waiter *w, uint64_t *ret_len)
{
	struct entry *in = from->file->entry, *out = to->file->entry;
	int r;

	if (!to->file->may_write)
		return -EBADF;
	if (from->off == to->off && from->off > 0 &&
	    clone_has(in, out, from->off, &len)) {
		*ret_len = len;
		return 0;
	}
	if (from->off == 0 && to->off == 0) {
		r = clone_try(in, out, len, w, ret_len);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return copy_bytes(from, to, len, w, ret_len);
}

/* The error that this handle was not told yet, once; that another was first,
 * each time: a process that was forked may be told before the one that wrote.
 */
static int
untold(struct cache_file *f)
{
	struct entry *e = f->entry;
	int r = 0;

	lock_take(&e->lock);
	if (f->errors_told != e->error_total ||
	    (e->is_superseded && e->error == -ESTALE))
		r = e->error;
	f->errors_told = e->error_total;
	lock_drop(&e->lock);
	return r;
}

int
cache_file_flush(struct cache_file *f, struct waiter *w)
{
	/* Who only reads waits for no upload of another's bytes. */
	int r = f->may_write ? sync_close(f->entry, w) : 0;
	int err = untold(f);

	return r < 0 ? r : err;
}

int
cache_file_sync(struct cache_file *f, bool data, struct waiter *w)
{
	struct entry *e = f->entry;
	/* fsync(2) is of the file, whoever wrote it. */
	int r = e->cache->config.read_only ? 0 : sync_file(e, w);
	int err = untold(f);
	bool gone;

	lock_take(&e->lock);
	gone = e->is_unlinked || e->is_superseded;
	lock_drop(&e->lock);
	if (r == 0)
		r = err;
	if (r < 0 || gone || sync_is_local(e->cache))
		return r;
	r = owed_run(e->cache, e->ino, w); /* its name */
	return r < 0 || data ? r : set_send(e->cache, e->ino, w);
}
