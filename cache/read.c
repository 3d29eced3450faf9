/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - bytes of an entry version: hit, miss, joined misses.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/direct.h"
#include "cache/entry.h"
#include "cache/fetch.h"
#include "cache/pool.h"
#include "cache/read.h"
#include "cache/verify.h"
#include "s3/base/crc.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

/* At most this much is on its way for one stream: 16 parts fill a link of
 * 10 Gb/s at 25 ms (s3-protocol: one connection per 85-90 MB/s). */
#define LIMIT_MAX (16 * AHEAD_PART)

/* Pieces that one read starts; what is left the next one starts. */
#define PIECES_MAX 17

/* Blocks that one read touches: a read of CACHE_READ_MAX at any offset. */
#define BLOCKS_MAX (CACHE_READ_MAX / CHUNK_BLOCK + 1)

/* So long a range that failed is not asked for again. */
#define FAILED_MS 1000

/* One read while it is served. */
struct serve {
	struct entry *entry;
	struct read_state *state;
	uint64_t off;
	uint64_t end;
	uint64_t size; /* of the file, when this round began */
	struct ahead_want want;
	struct ahead_stream *stream;
	struct waiter *waiter;
};

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Ahead of a reader never more than an eighth of the cache, and of all of them
 * together never more than a quarter: a demand must find room.
 */
static uint64_t
limit_of(struct cache *c)
{
	uint64_t limit = min_u64(LIMIT_MAX, c->config.size / 8);
	uint64_t all = c->config.size / 4;
	uint64_t ahead = atomic_load(&c->space.reserved);

	limit = min_u64(limit, all > ahead ? all - ahead : 0);
	return limit < CHUNK_BLOCK ? CHUNK_BLOCK : limit;
}

/*
 * The first part of [pos, end) that is neither present nor on its way, as a
 * piece in whole blocks.  Returns: 1; 0 there is none; -EIO it is nowhere.
 */
static int
next_piece(struct entry *e, uint64_t pos, uint64_t end, uint64_t *ret_off,
    uint64_t *ret_end)
{
	uint64_t gap_off, gap_end, covered;

	while (pos < end && rangeset_next_gap(&e->chunk.present, pos, end,
				&gap_off, &gap_end)) {
		if (fetch_covers(e, gap_off, &covered)) {
			pos = covered;
			continue;
		}
		/* What is beyond the base is here, or else lost. */
		*ret_off = gap_off;
		if (gap_off >= e->chunk.base_size)
			return -EIO;
		gap_end = min_u64(gap_end, fetch_next(e, gap_off));
		gap_end = min_u64(chunk_block_start(gap_end + CHUNK_BLOCK - 1),
		    e->chunk.base_size);
		*ret_off = chunk_block_start(gap_off);
		*ret_end = ahead_piece_end(*ret_off, gap_end);
		return 1;
	}
	return 0;
}

/* Put what is missing of the wanted range on its way. */
static int
plan_locked(struct serve *s, struct fetch **ret, unsigned *ret_count)
{
	struct entry *e = s->entry;
	uint64_t pos = s->want.off, off, end;
	unsigned n = 0;
	int r = 0;

	while (n < PIECES_MAX) {
		r = next_piece(e, pos, s->want.end, &off, &end);
		if (r == -EIO && off >= s->end)
			r = 0; /* nobody has asked for that yet */
		if (r <= 0)
			break;
		r = fetch_new(e, off, end, &ret[n]);
		if (r < 0)
			break;
		n++;
		pos = end;
	}
	*ret_count = n;
	return n > 0 ? 0 : r;
}

/* What a block of the read must be checked against. */
struct check {
	uint64_t block;
	uint32_t crc;
	bool is_due;
};

/* Which blocks of the read are due; returns how many. */
static unsigned
checks_locked(struct serve *s, struct check checks[BLOCKS_MAX])
{
	struct entry *e = s->entry;
	uint64_t first = s->off / CHUNK_BLOCK;
	unsigned due = 0;

	for (uint64_t b = first; b * CHUNK_BLOCK < s->end; b++) {
		struct check *check = &checks[b - first];
		uint64_t end = min_u64((b + 1) * CHUNK_BLOCK, s->size);

		check->block = b;
		check->is_due =
		    !chunk_is_checked(&e->chunk, b) &&
		    rangeset_has(&e->chunk.present, b * CHUNK_BLOCK, end) &&
		    chunk_get_crc(&e->chunk, b, &check->crc);
		due += check->is_due ? 1 : 0;
	}
	return due;
}

/* Compare the due blocks in ${data}, which begins at block ${checks[0]}. */
static int
compare(struct serve *s, struct check *checks, const uint8_t *data)
{
	struct entry *e = s->entry;
	uint64_t base = chunk_block_start(s->off);
	uint32_t crc;
	int r = 0;

	lock_take(&e->lock);
	for (uint64_t i = 0; base + i * CHUNK_BLOCK < s->end; i++) {
		uint64_t off = base + i * CHUNK_BLOCK;
		uint64_t end = min_u64(off + CHUNK_BLOCK, s->size);

		if (!checks[i].is_due)
			continue;
		stats_add(&e->cache->stats, STAT_CHECKED_BLOCKS, 1);
		/* Written meanwhile, or found wrong by another. */
		if (!chunk_get_crc(&e->chunk, checks[i].block, &crc) ||
		    crc != checks[i].crc) {
			r = r == 0 ? -EAGAIN : r;
			continue;
		}
		if (crc32c(0, data + (off - base), (size_t)(end - off)) ==
		    checks[i].crc)
			chunk_set_checked(&e->chunk, checks[i].block);
		else if (r == 0 || r == -EAGAIN)
			r = verify_bad_locked(e, off, end, 0);
	}
	lock_drop(&e->lock);
	return r;
}

/* The disk does not give what is present in [off, end).  -ENOSPC: it is to be
 * had past the chunk file. */
static int
unreadable(struct entry *e, uint64_t off, uint64_t end, int err)
{
	int r = err;

	lock_take(&e->lock);
	/* Where it was truncated meanwhile, that is no wonder. */
	if (err == -EIO && end <= e->size)
		r = verify_bad_locked(e, off, end, err);
	lock_drop(&e->lock);
	return r == -EAGAIN ? -ENOSPC : r;
}

/* The range is present and kept from eviction: read it. */
static int
copy_out(struct serve *s, struct check *checks, unsigned due,
    struct cache_bytes *ret)
{
	struct entry *e = s->entry;
	uint64_t off = s->off, end = s->end;
	uint8_t *buffer = pool_take(e->cache->pool);
	int r;

	if (buffer == NULL)
		return -ENOMEM;
	if (due > 0) {
		off = chunk_block_start(off);
		end =
		    min_u64(chunk_block_start(end + CHUNK_BLOCK - 1), s->size);
	}
	r = chunk_read(&e->chunk, off, buffer, (size_t)(end - off));
	if (r < 0)
		r = unreadable(e, off, end, r);
	if (r == 0 && due > 0)
		r = compare(s, checks, buffer);
	if (r < 0) {
		pool_put(e->cache->pool, buffer);
		return r;
	}
	ret->data = buffer + (s->off - off);
	ret->len = (size_t)(s->end - s->off);
	ret->owner = buffer;
	return 0;
}

/* Whole blocks round the read are in use while it is served. */
static struct reader
range_of(const struct serve *s, struct waiter *w)
{
	struct reader range = {
		.off = chunk_block_start(s->off), .end = s->end, .waiter = w
	};

	if (w != NULL)
		range.off = s->off;
	return range;
}

static int
serve_local(struct serve *s, struct cache_bytes *ret)
{
	struct entry *e = s->entry;
	struct reader range = range_of(s, NULL);
	struct check checks[BLOCKS_MAX];
	unsigned due;
	int r;

	due = checks_locked(s, checks);
	list_append(&e->readers, &range.link);
	lock_drop(&e->lock);
	r = copy_out(s, checks, due, ret);
	lock_take(&e->lock);
	list_remove(&range.link);
	return r;
}

/* The read could not be served: keep in mind why, unless it was us. */
static void
note_failed(struct serve *s, int err)
{
	struct read_state *state = s->state;

	if (err == 0 || err == -EAGAIN || err == -ENOMEM)
		return;
	state->failed_off = s->off;
	state->failed_end = s->end;
	state->failed_ms = clock_mono_ms(s->entry->cache->clock);
	state->failed_err = err;
}

/* Why a part of the read has just failed; 0: it has not. */
static int
failed_just_now(const struct serve *s)
{
	const struct read_state *state = s->state;
	int64_t now = clock_mono_ms(s->entry->cache->clock);

	if (s->off >= state->failed_end || s->end <= state->failed_off ||
	    now - state->failed_ms >= FAILED_MS)
		return 0;
	return state->failed_err;
}

/* Start the pieces and wait for the read's own. */
static int
serve_remote(struct serve *s, struct fetch **pieces, unsigned count)
{
	struct entry *e = s->entry;
	struct reader range = range_of(s, s->waiter);
	int r;

	waiter_reset(s->waiter);
	list_append(&e->readers, &range.link);
	ahead_stall(s->stream, limit_of(e->cache));
	lock_drop(&e->lock);
	for (unsigned i = 0; i < count; i++)
		fetch_start(pieces[i], i > 0 ? NULL : s->waiter);
	r = waiter_wait(s->waiter, WAIT_FOREVER);
	lock_take(&e->lock);
	list_remove(&range.link);
	note_failed(s, range.err);
	if (r == 0)
		r = range.err;
	return r == 0 ? -EAGAIN : r;
}

static bool
is_local(struct serve *s)
{
	return rangeset_has(&s->entry->chunk.present, s->off, s->end);
}

/* One round; -EAGAIN: another one.  The entry's lock is held. */
static int
serve_once(struct serve *s, struct cache_bytes *ret, bool *ret_missed)
{
	struct entry *e = s->entry;
	struct fetch *pieces[PIECES_MAX];
	unsigned count = 0;
	bool local = is_local(s);
	int r;

	if (!local && e->lost < 0)
		return e->lost;
	r = local ? 0 : failed_just_now(s);
	if (r < 0)
		return r;
	r = e->lost < 0 ? 0 : plan_locked(s, pieces, &count);
	if (!local) {
		*ret_missed = true;
		if (r < 0)
			return r;
		return serve_remote(s, pieces, count);
	}
	if (count > 0) {
		lock_drop(&e->lock);
		for (unsigned i = 0; i < count; i++)
			fetch_start(pieces[i], NULL);
		lock_take(&e->lock);
		if (!is_local(s))
			return -EAGAIN; /* evicted meanwhile */
	}
	return serve_local(s, ret);
}

/* Of a file that may be shorter or longer than a round ago. */
static int
serve_round(
    struct serve *s, size_t len, struct cache_bytes *ret, bool *ret_missed)
{
	struct entry *e = s->entry;
	bool first = s->size == 0;
	uint64_t end;
	int r;

	if (len == 0 || s->off >= e->size) {
		*ret = (struct cache_bytes){ 0 };
		return 0;
	}
	end = min_u64(s->off + min_u64(len, CACHE_READ_MAX), e->size);
	s->size = e->size;
	if (first || end != s->end)
		s->stream = ahead_read(&s->state->ahead, s->off, end - s->off,
		    e->size, limit_of(e->cache), &s->want);
	s->end = end;
	r = serve_once(s, ret, ret_missed);
	if (r == -EIO && e->size < end)
		r = -EAGAIN; /* it was truncated meanwhile */
	return r;
}

/* There is no room for what is to be read: past the chunk file. */
static int
serve_direct(struct serve *s, struct cache_bytes *ret)
{
	struct cache *c = s->entry->cache;
	size_t len = (size_t)(s->end - s->off);
	uint8_t *data, *buffer = NULL;
	int r;

	r = direct_take(c->direct, len, s->waiter, &data);
	if (r < 0)
		return r;
	r = direct_read(s->entry, s->off, s->end, s->waiter, data);
	if (r == 0)
		buffer = pool_take(c->pool);
	if (r == 0 && buffer == NULL)
		r = -ENOMEM;
	if (r == 0) {
		memcpy(buffer, data, len);
		*ret = (struct cache_bytes){ buffer, len, buffer };
	}
	direct_put(c->direct, data, len);
	return r;
}

/* One round; -EAGAIN: another one.  The entry's lock is held. */
static int
serve(struct serve *s, size_t len, struct cache_bytes *ret, bool *ret_missed)
{
	int r = serve_round(s, len, ret, ret_missed);

	if (r != -ENOSPC || s->state->must_stay)
		return r;
	*ret_missed = true;
	lock_drop(&s->entry->lock);
	r = serve_direct(s, ret);
	lock_take(&s->entry->lock);
	return r;
}

int
read_bytes(struct entry *e, struct read_state *state, uint64_t off, size_t len,
    struct waiter *w, struct cache_bytes *ret)
{
	struct serve s = {
		.entry = e, .state = state, .off = off, .waiter = w
	};
	struct waiter own;
	bool missed = false;
	int r;

	if (w == NULL)
		waiter_init(&own);
	if (w == NULL)
		s.waiter = &own;
	lock_take(&e->lock);
	do {
		r = serve(&s, len, ret, &missed);
	} while (r == -EAGAIN);
	lock_drop(&e->lock);
	if (w == NULL)
		waiter_fini(&own);
	if (r == 0) {
		stats_add(&e->cache->stats, STAT_READ_BYTES, ret->len);
		if (!missed)
			stats_add(&e->cache->stats, STAT_HIT_BYTES, ret->len);
	}
	return r;
}

void
read_cancel(struct entry *e)
{
	lock_take(&e->lock);
	fetch_cancel_all(e);
	lock_drop(&e->lock);
}
