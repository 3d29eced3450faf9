/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write.c - changes of the bytes of an open file, into its chunk file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/cover.h"
#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/fetch.h"
#include "cache/nameless.h"
#include "cache/parts.h"
#include "cache/snapshot.h"
#include "cache/stage.h"
#include "cache/verify.h"
#include "cache/write.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

/* How often room is made for a write that the disk has none for. */
#define FULL_TRIES 20

/* Whether a request has bytes of [off, end) on their way. */
static bool
is_frozen(const struct entry *e, uint64_t off, uint64_t end)
{
	for (struct list *l = e->frozen.next; l != &e->frozen; l = l->next) {
		const struct frozen *f = LIST_ENTRY(l, struct frozen, link);

		if (f->off < end && off < f->end)
			return true;
	}
	return false;
}

static bool
is_nameless(const struct entry *e)
{
	AUTO(row_fini) struct row row = { 0 };

	return nameless_row(e->cache, e->node, &row) == 0;
}

/* The row says that something is here that S3 has not, before it is. */
static int
mark_row(struct entry *e)
{
	struct change ch;
	int r;

	if (e->is_unlinked)
		return state_bytes_apply(&e->state, BYTES_ON_WRITE);
	r = change_begin_node(e->cache, e->node, &ch);
	if (r == -ENOENT && is_nameless(e)) /* this very moment */
		return state_bytes_apply(&e->state, BYTES_ON_WRITE);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	r = change_bytes(&ch, BYTES_ON_WRITE);
	if (r == 0)
		change_attrs(&ch, ATTRS_ON_SET); /* its times */
	e->chunk.is_changed = true;
	if (r == 0) /* how much of the object counts */
		r = chunk_flush(&e->chunk);
	r = change_end(&ch, r);
	if (r < 0)
		chunk_unstored(&e->chunk);
	return r == 0 ? state_bytes_apply(&e->state, BYTES_ON_WRITE) : r;
}

/*
 * Begin a change of [off, end): wait until none of it is on its way to S3.
 * With ${append} the range moves to the end of the file.
 */
static int
begin_locked(struct entry *e, uint64_t *off, uint64_t *end, bool append,
    struct waiter *w)
{
	uint64_t len = *end - *off;
	int r = 0;

	for (;;) {
		if (append) {
			*off = e->size;
			*end = e->size + len;
		}
		if (e->is_superseded && !e->is_unlinked)
			return -ESTALE;
		if (*end > S3_OBJECT_MAX)
			return -EFBIG;
		/* Beyond the end, the zeros between change, too. */
		if (!is_frozen(e, *off < e->size ? *off : e->size, *end))
			break;
		r = waiter_wait_in(w, &e->waiters, &e->lock);
		if (r < 0)
			return r;
	}
	if (e->state == BYTES_CLEAN || e->state == BYTES_CONFLICT)
		r = mark_row(e);
	else
		r = snapshot_take_locked(e);
	if (r == 0)
		fetch_cancel_whole(e);
	return r;
}

/* From now on something is not in S3. */
static void
begin_age(struct entry *e)
{
	unsigned max_s = e->cache->config.max_dirty_age_s;

	e->dirty_ms = cache_now_ms(e->cache);
	if (max_s > 0 && !e->is_unlinked)
		writeback_later_locked(e, (int64_t)max_s * 1000);
}

/* What a change leaves behind: [off, end) is not in S3. */
static void
end_locked(struct entry *e, uint64_t off, uint64_t end)
{
	e->generation++;
	if (e->dirty_ms == 0)
		begin_age(e);
	/* Of a file that is all its own, the chunk file tells (facts.h). */
	if (e->chunk.is_changed && e->chunk.base_size > 0)
		writeback_note_locked(e);
	e->mtime_ns = clock_wall_ns(e->cache->clock);
	entry_set_modified_locked(e, true);
	parts_changed_locked(e, off, end);
}

/* [off, end) is about to be changed: what stays of its blocks is right, and
 * they have no CRC. */
static int
withdraw_crcs(struct entry *e, uint64_t off, uint64_t end)
{
	int r = verify_edges_locked(e, off, end);

	for (uint64_t at = chunk_block_start(off); r == 0 && at < end;
	     at += CHUNK_BLOCK)
		r = chunk_clear_crc(&e->chunk, at / CHUNK_BLOCK);
	return r;
}

/* [off, end), which is in the chunk file, or is a hole there, is present and
 * dirty. */
static int
note_locked(struct entry *e, uint64_t off, uint64_t end, bool is_hole)
{
	uint64_t before = chunk_room(&e->chunk);
	uint64_t dirty = rangeset_bytes(&e->chunk.dirty);
	int r;

	r = rangeset_add(&e->chunk.dirty, off, end);
	if (r < 0)
		return r;
	stats_add(&e->cache->stats, STAT_DIRTY_BYTES,
	    rangeset_bytes(&e->chunk.dirty) - dirty);
	r = is_hole ? chunk_add_hole(&e->chunk, off, end - off)
		    : chunk_add(&e->chunk, off, end - off);
	/* What was set aside is given back whole by who did. */
	space_changed(&e->cache->space, before, chunk_room(&e->chunk));
	return r;
}

/* Nothing is in the chunk file beyond the end, where zeros are to be when the
 * file grows: of a write that failed half-way, it might. */
static int
cut_beyond_locked(struct entry *e)
{
	struct stat st;

	if (fstat(e->chunk.fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > e->size &&
	    ftruncate(e->chunk.fd, (off_t)e->size) < 0)
		return -errno;
	return 0;
}

/* A change failed: nothing of it stays beyond the end.  Returns ${err}. */
static int
failed_locked(struct entry *e, int err)
{
	uint64_t dirty = rangeset_bytes(&e->chunk.dirty);

	/* A tail: needs no memory. */
	(void)rangeset_remove(&e->chunk.dirty, e->size, UINT64_MAX);
	stats_sub(&e->cache->stats, STAT_DIRTY_BYTES,
	    dirty - rangeset_bytes(&e->chunk.dirty));
	if (cut_beyond_locked(e) < 0)
		log_debug("node=%" PRIu64 " is longer than its file", e->node);
	return err;
}

/* The file grows to ${size}: zeros. */
static int
grow_locked(struct entry *e, uint64_t size)
{
	int r;

	if (size <= e->size)
		return 0;
	r = withdraw_crcs(e, e->size, e->size + 1);
	if (r == 0)
		r = cut_beyond_locked(e);
	if (r == 0 && ftruncate(e->chunk.fd, (off_t)size) < 0)
		r = -errno;
	if (r == 0)
		r = note_locked(e, e->size, size, true);
	if (r < 0)
		return failed_locked(e, r);
	e->size = size;
	return 0;
}

/* A write of [off, end) failed in its middle: what was S3's there is fetched
 * anew; what was ours is as the program left it. */
static void
forget_locked(struct entry *e, uint64_t off, uint64_t end)
{
	uint64_t gap_off, gap_end;

	while (off < end && rangeset_next_gap(&e->chunk.dirty, off, end,
				&gap_off, &gap_end)) {
		if (chunk_withdraw(&e->chunk, gap_off, gap_end) < 0)
			e->lost = -EIO; /* no memory to say which */
		off = gap_end;
	}
}

static int
put_locked(struct entry *e, uint64_t off, const void *data, size_t len)
{
	uint64_t end = off + len;
	int r;

	r = grow_locked(e, off);
	if (r == 0)
		r = withdraw_crcs(e, off, end);
	if (r < 0)
		return r;
	r = chunk_write(&e->chunk, off, data, len);
	if (r < 0)
		forget_locked(e, off, end);
	if (r == 0)
		r = note_locked(e, off, end, false);
	if (r < 0)
		return failed_locked(e, r);
	if (end > e->size)
		e->size = end;
	return 0;
}

/* Uploads make room when they end: those that are under way, then those that
 * only wait for their time, then those of files that are not closed yet. */
static int
make_room(struct cache *c, uint64_t len, struct waiter *w)
{
	bool may_cover = c->config.sync != CACHE_SYNC_CLOSE;
	bool again = true; /* what failed: once */
	int r;

	for (;;) {
		r = evict_for_write(c->evict, len, w);
		if (r != -ENOSPC)
			return r;
		if (may_cover && cover_hurry(c, again))
			again = false;
		else if (!stage_hurry(c))
			return r;
	}
}

/* Likewise, where the disk has no room for ${len} bytes. */
static int
make_room_on_disk(struct cache *c, uint64_t len, struct waiter *w)
{
	int r = evict_full(c->evict, len, w);

	if (r == -ENOSPC && w != NULL && stage_hurry(c))
		r = evict_full(c->evict, len, w);
	return r;
}

/* Room for a change of ${len} bytes up to ${end}, and for what is set aside
 * first.  Zeros before it, and those that are all of it, are a hole: that takes
 * none. */
static int
reserve(struct entry *e, uint64_t end, uint64_t len, struct waiter *w,
    uint64_t *ret)
{
	uint64_t need, before = UINT64_MAX;
	int r = -ENOSPC;

	if (end > S3_OBJECT_MAX)
		return -EFBIG;
	/* What was sent to make room need not be set aside any more. */
	while (r == -ENOSPC) {
		lock_take(&e->lock);
		need = len + snapshot_room_locked(e);
		lock_drop(&e->lock);
		if (need >= before)
			return r;
		*ret = before = need;
		if (need == 0)
			return 0;
		r = w == NULL ? evict_reserve(e->cache->evict, need)
			      : make_room(e->cache, need, w);
	}
	return r;
}

/* What is to be written. */
struct bytes {
	uint64_t off;
	const void *data;
	size_t len;
	bool append;
};

/* One try.  ${*ret_full}: the disk had no room for what was set aside. */
static int
try_write(
    struct entry *e, const struct bytes *b, struct waiter *w, bool *ret_full)
{
	uint64_t off = b->off, end = off + b->len, room = 0;
	struct waiter own;
	int r;

	r = reserve(e, b->append ? b->len : end, b->len, w, &room);
	if (r < 0)
		return r;
	if (w == NULL)
		waiter_init(&own);
	lock_take(&e->lock);
	r = begin_locked(e, &off, &end, b->append, w == NULL ? &own : w);
	if (r == 0) {
		r = put_locked(e, off, b->data, b->len);
		*ret_full = r == -ENOSPC;
		/* The row says that it was changed, and if it failed half-way
		 * that is so: S3 gets what it is now. */
		end_locked(e, off, end);
	}
	lock_drop(&e->lock);
	if (w == NULL)
		waiter_fini(&own);
	space_release(&e->cache->space, room);
	return r;
}

int
write_bytes(struct entry *e, uint64_t off, const void *data, size_t len,
    bool append, struct waiter *w)
{
	struct bytes b = { off, data, len, append };
	int r = -ENOSPC, room = 0;
	bool full = true;

	if (len == 0)
		return 0;
	for (int i = 0; full && room == 0 && i < FULL_TRIES; i++) {
		full = false;
		r = try_write(e, &b, w, &full);
		if (full)
			room = make_room_on_disk(e->cache, len, w);
	}
	return room == -EINTR ? room : r;
}

/*
 * The file itself gets shorter.  After a crash, what was let go of is not to
 * come back, nor to be called lost (facts.h): so the database knows of it
 * before, and, if nothing of the object is left, that what the file holds until
 * then is nothing.
 */
static int
cut_locked(struct entry *e, uint64_t size, bool had_base)
{
	bool is_all = had_base && size == 0;
	int r;

	if (is_all)
		e->chunk.base_size = CHUNK_CUT;
	r = chunk_flush(&e->chunk);
	if (!had_base)
		r = 0; /* then what was let go of is called lost, no worse */
	/* In any case: what is beyond is not to be seen when it grows. */
	if (ftruncate(e->chunk.fd, (off_t)size) < 0 && r == 0)
		r = -errno;
	if (is_all) {
		e->chunk.base_size = 0;
		e->chunk.is_changed = true;
	}
	return r == 0 && is_all ? chunk_flush(&e->chunk) : r;
}

/* Let go of what lies beyond ${size}. */
static int
shrink_locked(struct entry *e, uint64_t size)
{
	uint64_t before = chunk_room(&e->chunk);
	uint64_t dirty = rangeset_bytes(&e->chunk.dirty);
	bool had_base = e->chunk.base_size > 0;
	int r = withdraw_crcs(e, size, e->size);

	if (r < 0)
		return r;
	chunk_cut(&e->chunk, size);
	/* A tail: needs no memory. */
	(void)rangeset_remove(&e->chunk.dirty, size, UINT64_MAX);
	if (e->chunk.base_size > size)
		e->chunk.base_size = size;
	space_changed(&e->cache->space, before, chunk_room(&e->chunk));
	stats_sub(&e->cache->stats, STAT_DIRTY_BYTES,
	    dirty - rangeset_bytes(&e->chunk.dirty));
	e->size = size;
	return cut_locked(e, size, had_base);
}

int
write_truncate(struct entry *e, uint64_t size, struct waiter *w)
{
	uint64_t off = size, end = S3_OBJECT_MAX, room = 0;
	bool began = false;
	struct waiter own;
	int r;

	r = reserve(e, size, 0, w, &room);
	if (r < 0)
		return r;
	if (w == NULL)
		waiter_init(&own);
	lock_take(&e->lock);
	if (size == e->size) {
		r = 0;
	} else {
		if (size > e->size)
			off = e->size;
		r = begin_locked(e, &off, &end, false, w == NULL ? &own : w);
		began = r == 0;
		if (r == 0)
			r = size > e->size ? grow_locked(e, size)
					   : shrink_locked(e, size);
		if (began)
			end_locked(e, size, S3_OBJECT_MAX);
	}
	lock_drop(&e->lock);
	if (w == NULL)
		waiter_fini(&own);
	space_release(&e->cache->space, room);
	return r;
}

int
write_clone(struct entry *e, const char *key, const char *etag, uint64_t size,
    struct waiter *w)
{
	uint64_t off = 0, end = S3_OBJECT_MAX;
	struct waiter own;
	int r;

	if (w == NULL)
		waiter_init(&own);
	lock_take(&e->lock);
	r = begin_locked(e, &off, &end, false, w == NULL ? &own : w);
	if (r == 0 && e->size > 0)
		r = 1;
	if (r == 0)
		r = entry_set_base_locked(e, key, etag);
	if (r == 0)
		r = entry_keep_base_locked(e);
	if (r == 0) {
		e->size = size;
		e->object_size = size;
		e->chunk.base_size = size;
		end_locked(e, size, size);
		e->chunk.is_changed = true;
		r = chunk_flush(&e->chunk);
	}
	lock_drop(&e->lock);
	if (w == NULL)
		waiter_fini(&own);
	return r;
}

/* Zeros instead of what is in [off, end), within the file. */
static int
punch_locked(struct entry *e, uint64_t off, uint64_t end)
{
	int r = withdraw_crcs(e, off, end);

	if (r < 0)
		return r;
	/* Where nothing was read before, the chunk file may end before: let it
	 * reach so far, with what can only make it longer (a fetch may write
	 * behind). */
	if (fallocate(e->chunk.fd, 0, (off_t)end - 1, 1) < 0 ||
	    fallocate(e->chunk.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		(off_t)off, (off_t)(end - off)) < 0)
		return -errno;
	return note_locked(e, off, end, true);
}

int
write_zero(
    struct entry *e, uint64_t off, uint64_t end, bool grow, struct waiter *w)
{
	uint64_t room = 0;
	bool began = false;
	struct waiter own;
	int r;

	r = reserve(e, end, 0, w, &room);
	if (r < 0)
		return r;
	if (w == NULL)
		waiter_init(&own);
	lock_take(&e->lock);
	r = begin_locked(e, &off, &end, false, w == NULL ? &own : w);
	began = r == 0;
	if (r == 0 && grow)
		r = grow_locked(e, end);
	if (end > e->size)
		end = e->size;
	if (r == 0 && off < end)
		r = punch_locked(e, off, end);
	if (began)
		end_locked(e, off, end);
	lock_drop(&e->lock);
	if (w == NULL)
		waiter_fini(&own);
	space_release(&e->cache->space, room);
	return r;
}
