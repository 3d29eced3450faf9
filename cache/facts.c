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

/* The dirty ranges that are in the file; all of it, if no object counts. */
static int
read_dirty(struct cache *c, const struct db_chunk *chunk, struct rangeset *ret)
{
	uint64_t size = chunk_file_size(c, chunk->node);
	int r;

	if (chunk->base_size == CHUNK_CUT)
		return 0;
	if (chunk->base_size == 0)
		return size == 0 ? 0 : rangeset_add(ret, 0, size);
	r = rangeset_unpack(chunk->dirty, chunk->dirty_len, ret);
	return r == 0 ? rangeset_remove(ret, size, UINT64_MAX) : r;
}

static void
fill_in(const struct db_chunk *chunk, const struct rangeset *dirty,
    struct facts *ret)
{
	uint64_t end =
	    dirty->count == 0 ? 0 : dirty->ranges[dirty->count - 1].end;

	*ret = (struct facts){ .base_size = chunk->base_size,
		.size = end > chunk->base_size ? end : chunk->base_size,
		.has_dirty = end > 0,
		.is_known = true };
}

/* Only ${dirty} is present, and nothing is proved by a CRC. */
static int
store(
    struct cache *c, const struct db_chunk *chunk, const struct rangeset *dirty)
{
	struct buf packed = BUF_INIT(PACK_MAX);
	struct db_chunk now = *chunk;
	int r = rangeset_pack(dirty, &packed);

	now.bytes = rangeset_bytes(dirty);
	now.present = packed.data;
	now.present_len = packed.len;
	now.dirty = packed.data;
	now.dirty_len = packed.len;
	if (r == 0)
		r = db_chunk_put(c->db, &now);
	if (r == 0 && !c->is_same_boot)
		r = db_crc_delete(c->db, chunk->node);
	if (r == 0) /* it may be more, too */
		atomic_fetch_add(&c->space.present, now.bytes - chunk->bytes);
	buf_fini(&packed);
	return r;
}

int
facts_mend(struct cache *c, uint64_t node, struct facts *ret)
{
	struct db_chunk chunk;
	struct rangeset dirty;
	int r;

	*ret = (struct facts){ 0 };
	r = db_chunk_get(c->db, node, &chunk);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rangeset_init(&dirty);
	r = read_dirty(c, &chunk, &dirty);
	if (r == -EBADMSG) {
		log_error(
		    "chunk=%" PRIu64 ": what is known of it is damaged", node);
		chunk.base_size = UINT64_MAX;
		r = 0;
	}
	if (r == 0 && chunk.base_size == CHUNK_CUT) {
		chunk.base_size = 0;
		r = chunk_empty_file(c, node);
	}
	if (r == 0 && chunk.base_size <= S3_OBJECT_MAX)
		fill_in(&chunk, &dirty, ret);
	if (r == 0 && ret->is_known)
		r = store(c, &chunk, &dirty);
	rangeset_fini(&dirty);
	db_chunk_fini(&chunk);
	return r;
}
