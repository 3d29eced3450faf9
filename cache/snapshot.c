/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - bytes that a close covered, set aside while the file changes.
 */
#include "cache/snapshot.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "s3/base/cleanup.h"

#define PIECE ((size_t)128 << 10)

/* Whether what the chunk file holds is promised, and not set aside yet.  (A
 * close of what lies over another object waits for S3.) */
static bool
is_needed(const struct entry *e)
{
	return e->has_intent && e->snapshot == 0 && !e->is_unlinked &&
	       e->base_key == NULL && e->sent_generation < e->generation;
}

/* Whether some of it is to survive the loss of power. */
static bool
is_synced(const struct entry *e)
{
	return e->synced_generation > e->sent_generation;
}

uint64_t
snapshot_room_locked(const struct entry *e)
{
	return is_needed(e) ? chunk_room_of(&e->chunk, &e->chunk.dirty) : 0;
}

/* ---- the copy ---- */

/* Where the kernel cannot. */
static int
copy_by_hand(struct chunk *from, struct chunk *to, uint64_t off, uint64_t end)
{
	AUTO_FREE void *piece = malloc(PIECE);
	int r = piece == NULL ? -ENOMEM : 0;

	while (r == 0 && off < end) {
		size_t len = end - off < PIECE ? (size_t)(end - off) : PIECE;

		r = chunk_read(from, off, piece, len);
		if (r == 0)
			r = chunk_write(to, off, piece, len);
		off += len;
	}
	return r;
}

static int
copy_range(struct chunk *from, struct chunk *to, uint64_t off, uint64_t end)
{
	while (off < end) {
		off_t in = (off_t)off, out = (off_t)off;
		ssize_t n = copy_file_range(
		    from->fd, &in, to->fd, &out, (size_t)(end - off), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ENOSPC && errno != EIO)
			return copy_by_hand(from, to, off, end);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		off += (uint64_t)n;
	}
	return 0;
}

/* What is dirty, its holes left out. */
static int
copy_dirty(struct chunk *from, struct chunk *to)
{
	const struct rangeset *dirty = &from->dirty;
	struct rangeset holes;
	int r = 0;

	rangeset_init(&holes);
	for (size_t i = 0; r == 0 && i < dirty->count; i++) {
		uint64_t at = dirty->ranges[i].off, off, end;

		r = chunk_holes(from, &dirty->ranges[i], 1, &holes);
		while (r == 0 && rangeset_next_gap(&holes, at,
				     dirty->ranges[i].end, &off, &end)) {
			r = copy_range(from, to, off, end);
			at = end;
		}
	}
	rangeset_fini(&holes);
	return r;
}

/* Bytes, and where the file ends. */
static int
copy_bytes(struct entry *e, struct chunk *to)
{
	if (ioctl(to->fd, FICLONE, e->chunk.fd) == 0)
		return 0;
	if (ftruncate(to->fd, (off_t)e->size) < 0)
		return -errno;
	return copy_dirty(&e->chunk, to);
}

/* Those holes of ${from} that ${to} has, too. */
static int
copy_holes(const struct chunk *from, struct chunk *to)
{
	uint64_t off, end;
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->holes.count; i++) {
		const struct range *hole = &from->holes.ranges[i];

		off = hole->off;
		while (r == 0 && rangeset_next_run(&to->present, off, hole->end,
				     &off, &end)) {
			r = chunk_add_hole(to, off, end - off);
			off = end;
		}
	}
	return r;
}

/* What is known of them. */
static int
copy_facts(struct entry *e, struct chunk *to)
{
	const struct rangeset *dirty = &e->chunk.dirty;
	uint32_t crc;
	int r = 0;

	for (size_t i = 0; r == 0 && i < dirty->count; i++) {
		const struct range *one = &dirty->ranges[i];

		r = rangeset_add(&to->dirty, one->off, one->end);
		if (r == 0)
			r = chunk_add(to, one->off, one->end - one->off);
		for (uint64_t b = one->off / CHUNK_BLOCK;
		     r == 0 && b * CHUNK_BLOCK < one->end; b++) {
			if (chunk_get_crc(&e->chunk, b, &crc))
				chunk_set_crc(to, b, crc);
		}
	}
	to->base_size = e->chunk.base_size;
	to->is_changed = true;
	return r == 0 ? copy_holes(&e->chunk, to) : r;
}

/* From here on, after a kill, it is the file. */
static int
commit(struct entry *e, struct chunk *copy)
{
	struct db *db = e->cache->db;
	struct db_intent it = { .entry = e->ino,
		.kind = DB_INTENT_SNAPSHOT,
		.generation = copy->node,
		.made_ms = cache_now_ms(e->cache) };
	int r = db_begin(db);

	if (r < 0)
		return r;
	r = chunk_flush(copy);
	if (r == 0)
		r = db_intent_put(db, &it);
	if (r == 0)
		return db_commit(db);
	db_rollback(db);
	return r;
}

int
snapshot_take_locked(struct entry *e)
{
	struct cache *c = e->cache;
	struct chunk copy = { .fd = -1 };
	uint64_t node;
	int r;

	if (!is_needed(e))
		return 0;
	r = db_number(c->db, &node);
	if (r == 0)
		r = chunk_open(c, node, &copy);
	if (r < 0)
		return r;
	r = copy_bytes(e, &copy);
	if (r == 0)
		r = copy_facts(e, &copy);
	space_changed(&c->space, 0, chunk_room(&copy));
	if (r == 0 && is_synced(e))
		r = chunk_sync(&copy);
	if (r == 0)
		r = commit(e, &copy);
	if (r == 0 && is_synced(e))
		r = db_sync(c->db);
	e->snapshot = node;
	chunk_close(&copy);
	if (r < 0 && snapshot_drop_locked(e) == 0)
		snapshot_over_locked(e);
	return r;
}

int
snapshot_drop_locked(struct entry *e)
{
	return e->snapshot == 0
		   ? 0
		   : db_intent_drop(e->cache->db, e->ino, DB_INTENT_SNAPSHOT);
}

void
snapshot_over_locked(struct entry *e)
{
	if (e->snapshot != 0)
		(void)chunk_delete(e->cache, e->snapshot);
	e->snapshot = 0;
}

int
snapshot_find(struct cache *c, uint64_t id, uint64_t *ret_node)
{
	struct db_intent it = { 0 };
	int r = db_intent_get(c->db, id, DB_INTENT_SNAPSHOT, &it);

	*ret_node = it.generation;
	db_intent_fini(&it);
	return r;
}
