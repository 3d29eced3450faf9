/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.c - what is known of the bytes of a version, after a crash.
 */
#include "cache/facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "cache/chunk.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/rangeset.h"
#include "s3/base/buf.h"
#include "s3/base/log.h"

#define PACK_MAX ((size_t)64 << 20)

void
facts_fini(struct facts *f)
{
	rangeset_fini(&f->lost);
	*f = (struct facts){ 0 };
}

/* The dirty ranges that are in the file; all of it, if no object counts.
 * ${lost}: those that are not. */
static int
read_dirty(struct cache *c, const struct db_chunk *chunk, struct rangeset *ret,
    struct rangeset *lost)
{
	uint64_t size = chunk_file_size(c, chunk->node, NULL);
	int r;

	if (chunk->base_size == CHUNK_CUT)
		return 0;
	r = rangeset_unpack(chunk->dirty, chunk->dirty_len, ret);
	if (r == 0)
		r = rangeset_copy(lost, ret);
	if (r == 0)
		r = rangeset_remove(lost, 0, size);
	if (chunk->base_size == 0 && (r == 0 || r == -EBADMSG)) {
		rangeset_clear(ret);
		return size == 0 ? 0 : rangeset_add(ret, 0, size);
	}
	return r == 0 ? rangeset_remove(ret, size, UINT64_MAX) : r;
}

static uint64_t
end_of(const struct rangeset *set)
{
	return set->count == 0 ? 0 : set->ranges[set->count - 1].end;
}

static void
fill_in(const struct db_chunk *chunk, const struct rangeset *dirty,
    struct facts *ret)
{
	uint64_t end = end_of(dirty);

	ret->base_size = chunk->base_size;
	ret->size = end > chunk->base_size ? end : chunk->base_size;
	ret->has_dirty = end > 0;
	ret->is_known = true;
}

/* Only ${dirty} is present, and nothing is proved by a CRC. */
static int
store(
    struct cache *c, const struct db_chunk *chunk, const struct rangeset *dirty)
{
	struct buf packed = BUF_INIT(PACK_MAX);
	struct db_chunk now = *chunk;
	int r = rangeset_pack(dirty, &packed);

	(void)chunk_file_size(c, chunk->node, &now.bytes);
	if (now.bytes > rangeset_bytes(dirty)) /* else it has holes */
		now.bytes = rangeset_bytes(dirty);
	now.present = packed.data;
	now.present_len = packed.len;
	now.dirty = packed.data;
	now.dirty_len = packed.len;
	if (r == 0)
		r = db_chunk_put(c->db, &now);
	if (r == 0 && !c->is_same_boot)
		r = db_crc_delete(c->db, chunk->node);
	if (r == 0)
		space_changed(&c->space, chunk->bytes, now.bytes);
	buf_fini(&packed);
	return r;
}

int
facts_mend(struct cache *c, uint64_t node, struct facts *ret)
{
	struct db_chunk chunk;
	struct rangeset dirty;
	int r;

	*ret = (struct facts){ .node = node };
	rangeset_init(&ret->lost);
	r = db_chunk_get(c->db, node, &chunk);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rangeset_init(&dirty);
	r = read_dirty(c, &chunk, &dirty, &ret->lost);
	if (r == -EBADMSG) {
		log_error(
		    "chunk=%" PRIu64 ": what is known of it is damaged", node);
		chunk.base_size = UINT64_MAX;
		r = 0;
	}
	if (r == 0 && chunk.base_size == CHUNK_CUT) {
		chunk.base_size = 0;
		r = chunk_resize_file(c, node, 0);
	}
	if (r == 0 && chunk.base_size <= S3_OBJECT_MAX)
		fill_in(&chunk, &dirty, ret);
	if (r == 0 && ret->is_known)
		r = store(c, &chunk, &dirty);
	rangeset_fini(&dirty);
	db_chunk_fini(&chunk);
	return r;
}

int
facts_with_lost(struct cache *c, struct facts *f)
{
	struct db_chunk chunk;
	struct rangeset dirty;
	int r = db_chunk_get(c->db, f->node, &chunk);

	if (r < 0)
		return r;
	rangeset_init(&dirty);
	r = rangeset_unpack(chunk.dirty, chunk.dirty_len, &dirty);
	if (r == 0)
		r = rangeset_add_all(&dirty, &f->lost);
	if (r == 0)
		r = store(c, &chunk, &dirty);
	if (r == 0) /* they are of what was there */
		r = db_crc_delete(c->db, f->node);
	if (r == 0)
		fill_in(&chunk, &dirty, f);
	rangeset_fini(&dirty);
	db_chunk_fini(&chunk);
	return r;
}

int
facts_reach(struct cache *c, const struct facts *f)
{
	uint64_t end = end_of(&f->lost);

	return chunk_file_size(c, f->node, NULL) < end
		   ? chunk_resize_file(c, f->node, end)
		   : 0;
}

int
facts_tell_lost(const struct facts *f, struct buf *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->lost.count; i++)
		r = buf_printf(ret, "%s%" PRIu64 "-%" PRIu64, i == 0 ? "" : " ",
		    f->lost.ranges[i].off, f->lost.ranges[i].end);
	return r == -EOVERFLOW ? 0 : r; /* the first ones tell enough */
}
