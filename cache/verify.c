/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - the blocks of a chunk file against their CRCs.
 */
#include "cache/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/entry.h"
#include "s3/base/cleanup.h"
#include "s3/base/crc.h"
#include "s3/base/log.h"

/* The share of the file that lies in ${block}; empty beyond its end. */
static struct range
share_of(const struct entry *e, uint64_t block)
{
	struct range r = { block * CHUNK_BLOCK, (block + 1) * CHUNK_BLOCK };

	if (r.end > e->size)
		r.end = e->size;
	if (r.off > r.end)
		r.off = r.end;
	return r;
}

/* The CRC of bytes in the file. */
static int
sum(struct entry *e, const struct range *r, uint32_t *ret)
{
	size_t len = (size_t)(r->end - r->off);
	AUTO_FREE uint8_t *data = malloc(len);
	int err;

	if (data == NULL)
		return -ENOMEM;
	err = chunk_read(&e->chunk, r->off, data, len);
	if (err == 0)
		*ret = crc32c(0, data, len);
	return err;
}

/* Once for each place. */
static void
say_kept(struct entry *e, uint64_t off, uint64_t end, int err)
{
	if (e->is_damaged && e->damaged_off == off)
		return;
	e->is_damaged = true;
	e->damaged_off = off;
	log_error("'%s' is damaged in the cache folder: bytes %" PRIu64
		  "-%" PRIu64 " %s and S3 does not have them; it is kept, and "
		  "not sent: write it anew, or remove it",
	    e->key, off, end,
	    err == 0 ? "are not what was written" : strerror(-err));
}

int
verify_bad_locked(struct entry *e, uint64_t off, uint64_t end, int err)
{
	int r;

	stats_add(&e->cache->stats, STAT_BAD_BLOCKS, 1);
	if (!entry_may_fetch(e) ||
	    rangeset_has_any(&e->chunk.dirty, off, end)) {
		say_kept(e, off, end, err);
		return -EIO;
	}
	log_warn("local copy of '%s' is damaged at %" PRIu64
		 " (%s): fetching it again",
	    e->key, off, err == 0 ? "other bytes" : strerror(-err));
	r = chunk_punch(&e->chunk, off, end);
	return r == 0 ? -EAGAIN : r;
}

int
verify_look_locked(struct entry *e, uint64_t block, struct range *ret)
{
	struct range share = share_of(e, block);
	uint32_t want, is = 0;
	int r;

	*ret = share;
	if (share.off == share.end ||
	    !rangeset_has(&e->chunk.present, share.off, share.end) ||
	    !chunk_get_crc(&e->chunk, block, &want))
		return 1;
	r = sum(e, &share, &is);
	if (r == -ENOMEM)
		return r;
	stats_add(&e->cache->stats, STAT_CHECKED_BLOCKS, 1);
	return r == 0 && is != want ? -EBADMSG : r;
}

int
verify_block_locked(struct entry *e, uint64_t block)
{
	struct range share;
	int r;

	if (chunk_is_checked(&e->chunk, block))
		return 0;
	r = verify_look_locked(e, block, &share);
	if (r == 0)
		chunk_set_checked(&e->chunk, block);
	if (r >= 0 || r == -ENOMEM)
		return r == -ENOMEM ? r : 0;
	return verify_bad_locked(
	    e, share.off, share.end, r == -EBADMSG ? 0 : r);
}

int
verify_edges_locked(struct entry *e, uint64_t off, uint64_t end)
{
	int r = 0;

	if (off % CHUNK_BLOCK != 0)
		r = verify_block_locked(e, off / CHUNK_BLOCK);
	if (r == -EAGAIN)
		r = 0;
	if (r == 0 && end % CHUNK_BLOCK != 0 && end < e->size)
		r = verify_block_locked(e, end / CHUNK_BLOCK);
	return r == -EAGAIN ? 0 : r;
}

static int
seal_block_locked(struct entry *e, uint64_t block)
{
	struct range share = share_of(e, block);
	uint32_t crc;
	int r;

	if (share.off == share.end || chunk_get_crc(&e->chunk, block, &crc) ||
	    !rangeset_has(&e->chunk.present, share.off, share.end))
		return 0;
	r = sum(e, &share, &crc);
	if (r == 0)
		chunk_set_crc(&e->chunk, block, crc);
	return r;
}

/* Call ${fn} for each block that has bytes of ${set}, a set of ${e}. */
static int
each_block(struct entry *e, const struct rangeset *set,
    int (*fn)(struct entry *e, uint64_t block))
{
	uint64_t at = 0, off = 0, end;
	bool more = true;
	int r = 0;

	while (r == 0 && more) {
		/* A block at a time: others go on meanwhile. */
		lock_take(&e->lock);
		more = rangeset_next_run(set, at, UINT64_MAX, &off, &end);
		if (more)
			r = fn(e, off / CHUNK_BLOCK);
		lock_drop(&e->lock);
		at = chunk_block_start(off) + CHUNK_BLOCK;
		if (r == -EAGAIN)
			r = 0; /* it is absent now */
	}
	return r;
}

int
verify_seal(struct entry *e)
{
	return each_block(e, &e->chunk.dirty, seal_block_locked);
}

int
verify_all(struct entry *e)
{
	return each_block(e, &e->chunk.present, verify_block_locked);
}
