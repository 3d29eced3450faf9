/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_body.c - the bytes of a GET into a chunk file, beside what is written
 * there meanwhile.
 */
#include "cache/fetch_body.h"

#include <errno.h>
#include <string.h>

#include "cache/core.h"
#include "cache/learn.h"
#include "s3/base/crc.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

/* Wake those who wait for bytes of [off, end); with ${err}, if not 0. */
void
fetch_wake_locked(struct entry *e, uint64_t off, uint64_t end, int err)
{
	for (struct list *l = e->readers.next; l != &e->readers; l = l->next) {
		struct reader *r = LIST_ENTRY(l, struct reader, link);

		if (r->waiter == NULL || r->off >= end || r->end <= off)
			continue;
		if (err == 0 &&
		    !rangeset_has(&e->chunk.present, r->off, r->end))
			continue;
		/* Of two pieces of a read, the one that it cannot have counts:
		 * to ask again for the other is of no use. */
		if (err != 0 && (err != -EAGAIN || r->err == 0))
			r->err = err;
		waiter_wake(r->waiter);
	}
}

/* Wake them in any case: the file may be shorter now than they think. */
void
fetch_wake_all_locked(struct entry *e, uint64_t off, uint64_t end)
{
	for (struct list *l = e->readers.next; l != &e->readers; l = l->next) {
		struct reader *r = LIST_ENTRY(l, struct reader, link);

		if (r->waiter != NULL && r->off < end && r->end > off)
			waiter_wake(r->waiter);
	}
}

/* Whether byte ${at} is where a block, or the file, ends. */
static bool
ends_block(const struct entry *e, uint64_t at)
{
	return at % CHUNK_BLOCK == 0 || (at == e->size && at == e->object_size);
}

/* Count ${len} bytes at ${off} in, which are in the file. */
static int
note_locked(struct fetch *f, uint64_t off, size_t len)
{
	struct entry *e = f->entry;
	uint64_t before = chunk_room(&e->chunk), added;
	int r;

	r = chunk_add(&e->chunk, off, len);
	if (r < 0)
		return r;
	added = chunk_room(&e->chunk) - before;
	f->reserved -= added < f->reserved ? added : f->reserved;
	space_filled(&e->cache->space, added);
	stats_add(&e->cache->stats, STAT_FETCHED_BYTES, len);
	f->at = off + len;
	return 0;
}

/* Into the file.  -ENOSPC: the disk takes no more, for whatever reason. */
static int
put(struct fetch *f, uint64_t off, const void *data, size_t len)
{
	int r = chunk_write(&f->entry->chunk, off, data, len);

	if (r < 0 && r != -ENOSPC)
		log_warn("cannot write to the cache folder: %s", strerror(-r));
	return r < 0 ? -ENOSPC : 0;
}

/* Of [off, end), a block's share, what was written meanwhile stays. */
static int
take_beside_changes(
    struct fetch *f, uint64_t off, const uint8_t *data, size_t len)
{
	struct entry *e = f->entry;
	uint64_t at = off, end = off + len, gap_off, gap_end;
	int r = 0;

	lock_take(&e->lock);
	if (f->is_cancelled) /* the base may be another by now */
		r = -ECANCELED;
	if (end > e->chunk.base_size)
		end = e->chunk.base_size;
	while (
	    r == 0 && at < end &&
	    rangeset_next_gap(&e->chunk.dirty, at, end, &gap_off, &gap_end)) {
		r = put(f, gap_off, data + (gap_off - off),
		    (size_t)(gap_end - gap_off));
		if (r == 0)
			r = note_locked(
			    f, gap_off, (size_t)(gap_end - gap_off));
		at = gap_end;
	}
	/* Who waits for what could not be written is told why, by the end. */
	if (r == 0)
		f->at = off + len;
	fetch_wake_locked(e, off, off + len, 0);
	lock_drop(&e->lock);
	return r;
}

/* The part of the bytes that lies in one block. */
static int
take_in_block(struct fetch *f, uint64_t off, const void *data, size_t len)
{
	struct entry *e = f->entry;
	struct frozen frozen = { .off = off, .end = off + len };
	uint64_t block = off / CHUNK_BLOCK;
	bool changed;
	int r;

	lock_take(&e->lock);
	if (f->is_cancelled) { /* since it was looked at: others are clean */
		lock_drop(&e->lock);
		return -ECANCELED;
	}
	changed = e->state != BYTES_CLEAN;
	if (!changed)
		list_append(&e->frozen, &frozen.link); /* no write here now */
	lock_drop(&e->lock);
	if (changed)
		return take_beside_changes(f, off, data, len);
	/* A range present before is overwritten with the same bytes: the
	 * block's CRC stays right all the time. */
	r = put(f, off, data, len);
	f->crc = crc32c(off % CHUNK_BLOCK == 0 ? 0 : f->crc, data, len);
	f->pos = off + len;
	if (f->is_held)
		f->crcs[block] = f->crc;
	lock_take(&e->lock);
	if (r == 0 && !f->is_held)
		r = note_locked(f, off, len);
	if (r == 0 && !f->is_held && ends_block(e, off + len))
		chunk_set_crc(&e->chunk, block, f->crc);
	list_remove(&frozen.link);
	waiter_wake_all(&e->waiters);
	fetch_wake_locked(e, off, off + len, 0);
	lock_drop(&e->lock);
	return r;
}

/* What was held back was found to be right, as far as it can be: show it. */
int
fetch_show_locked(struct fetch *f)
{
	struct entry *e = f->entry;
	int r;

	if (f->pos < f->end || f->is_cancelled)
		return 0; /* reader_errno() tells */
	r = note_locked(f, f->off, (size_t)(f->end - f->off));
	if (r < 0)
		return r;
	for (uint64_t b = 0; b * CHUNK_BLOCK < f->end; b++)
		chunk_set_crc(&e->chunk, b, f->crcs[b]);
	fetch_wake_locked(e, f->off, f->end, 0);
	return 0;
}

/* Where there is no ETag to ask with, size and time must do. */
bool
fetch_is_ours(const struct fetch *f)
{
	const struct s3_object *o = &f->call.object;

	if (f->entry->object_size == ENTRY_SIZE_UNKNOWN)
		return f->etag != NULL || f->by_version;
	return o->size == f->entry->object_size &&
	       (f->etag != NULL || f->by_version ||
		   o->modified_ns == f->entry->modified_ns);
}

static bool
is_cancelled(struct fetch *f)
{
	bool cancelled;

	lock_take(&f->entry->lock);
	cancelled = f->is_cancelled;
	lock_drop(&f->entry->lock);
	return cancelled;
}

/* On the net thread. */
int
fetch_on_bytes(void *arg, uint64_t off, const void *data, size_t len)
{
	struct fetch *f = arg;
	const uint8_t *p = data;

	/* Another may be asking for the same range already. */
	if (is_cancelled(f))
		return -ECANCELED;
	if (!fetch_is_ours(f))
		return -ESTALE;
	if (off < f->off || off + len > f->end)
		return -EIO;
	if (off == f->call.off) {
		lock_take(&f->entry->lock);
		learn_hear_locked(f->entry, f->key, &f->call.object);
		lock_drop(&f->entry->lock);
	}
	while (len > 0) {
		uint64_t room = CHUNK_BLOCK - off % CHUNK_BLOCK;
		size_t n = len < room ? len : (size_t)room;
		int r = take_in_block(f, off, p, n);

		if (r < 0)
			return r;
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* Take back what is wrong in a way that readers noticed.  Those who read it
 * just now may end: the bytes stay where they are until others come. */
int
fetch_withdraw_locked(struct fetch *f)
{
	struct entry *e = f->entry;
	struct space *space = &e->cache->space;
	uint64_t had = chunk_room(&e->chunk), gone;
	uint64_t at = f->off, off, end;
	int r = 0;

	/* Set aside first: nobody else may take the room meanwhile. */
	space_reserve(space, had);
	/* What was written here meanwhile is right. */
	while (r == 0 && at < f->end &&
	       rangeset_next_gap(&e->chunk.dirty, at, f->end, &off, &end)) {
		r = chunk_withdraw(&e->chunk, off, end);
		at = end;
	}
	gone = had - chunk_room(&e->chunk);
	space_release(space, had - gone);
	f->reserved += gone;
	f->at = f->off;
	return r;
}
