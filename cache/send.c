/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send.c - bytes of a chunk file as the body of a PUT or a part.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/direct.h"
#include "cache/entry.h"
#include "cache/pool.h"
#include "cache/read.h"
#include "cache/send.h"
#include "cache/trouble.h"
#include "cache/verify.h"
#include "s3/base/cleanup.h"
#include "s3/base/crc.h"

/* A block that is wrong each time is wrong for another reason. */
#define SUM_TRIES 3

/* What the client reads from: a run of a chunk file. */
struct body {
	struct chunk *chunk;
	uint64_t off;
};

void
send_part_fini(struct send_part *p)
{
	free(p->key);
	free(p->upload_id);
	free(p->base_key);
	free(p->base_etag);
	free(p->found.etag);
}

/* On the net thread: the file is local. */
static int64_t
read_body(void *arg, uint64_t off, void *data, size_t len)
{
	struct body *body = arg;
	int r = chunk_read(body->chunk, body->off + off, data, len);

	return r < 0 ? r : (int64_t)len;
}

/* What is read from ${off} on goes on for ${more} bytes: in as few GETs as
 * that takes. */
static void
expect(struct ahead *a, uint64_t off, uint64_t more)
{
	if (more > AHEAD_PART)
		more = AHEAD_PART;
	a->streams[0] = (struct ahead_stream){ .next = off,
		.window = more,
		.used = ++a->clock,
		.is_followed = true };
}

int
send_localise(struct entry *e, uint64_t off, uint64_t end)
{
	struct read_state reads = { .must_stay = true };
	uint64_t gap_off, gap_end;
	bool missing;
	int r = 0;

	while (r == 0) {
		struct cache_bytes bytes;
		size_t len;

		lock_take(&e->lock);
		if (end > e->size)
			end = e->size;
		missing = rangeset_next_gap(
		    &e->chunk.present, off, end, &gap_off, &gap_end);
		lock_drop(&e->lock);
		if (!missing)
			break;
		len = gap_end - gap_off < CACHE_READ_MAX
			  ? (size_t)(gap_end - gap_off)
			  : CACHE_READ_MAX;
		expect(&reads.ahead, gap_off, gap_end - gap_off - len);
		r = read_bytes(e, &reads, gap_off, len, NULL, &bytes);
		if (r < 0)
			break;
		cache_bytes_put(e->cache, &bytes);
		off = gap_off + bytes.len;
		if (bytes.len == 0)
			r = -EIO;
	}
	return r;
}

/* The CRC of one block's share of the range, noted if it is the whole; it must
 * be the one that was known before. */
static int
note_crc(struct entry *e, uint64_t off, uint64_t len, uint32_t crc)
{
	uint32_t known;
	int r = 0;

	lock_take(&e->lock);
	if (off % CHUNK_BLOCK == 0 &&
	    (len == CHUNK_BLOCK || off + len == e->size)) {
		if (!chunk_get_crc(&e->chunk, off / CHUNK_BLOCK, &known))
			chunk_set_crc(&e->chunk, off / CHUNK_BLOCK, crc);
		else if (known != crc)
			r = verify_bad_locked(e, off, off + len, 0);
	}
	lock_drop(&e->lock);
	return r;
}

/* Read [off, off + len), the share of a block, which is not to be sent if it is
 * wrong.  -EAGAIN: it is absent now. */
static int
read_block(struct entry *e, uint64_t off, size_t len, uint8_t *data)
{
	int r;

	lock_take(&e->lock);
	/* Of a part of a block, all of it tells. */
	r = verify_block_locked(e, off / CHUNK_BLOCK);
	lock_drop(&e->lock);
	if (r == 0)
		r = chunk_read(&e->chunk, off, data, len);
	else
		return r;
	if (r == 0)
		return 0;
	lock_take(&e->lock);
	r = verify_bad_locked(e, off, off + len, r);
	lock_drop(&e->lock);
	return r;
}

static int
sum(struct entry *e, uint64_t off, uint64_t len, uint32_t *ret)
{
	AUTO_FREE uint8_t *block = malloc(CHUNK_BLOCK);
	uint64_t end = off + len;
	uint32_t all = 0;
	int r = block == NULL ? -ENOMEM : 0;

	while (r == 0 && off < end) {
		uint64_t next = chunk_block_start(off) + CHUNK_BLOCK;
		size_t n = (size_t)((next < end ? next : end) - off);
		uint32_t crc;

		r = read_block(e, off, n, block);
		if (r < 0)
			break;
		crc = crc32c(0, block, n);
		r = note_crc(e, off, n, crc);
		all = crc32c_combine(all, crc, n);
		off += n;
	}
	*ret = all;
	return r;
}

/* The body, whose CRC is known, on its way. */
static int
run_call(struct entry *e, uint64_t len, struct s3_call *call)
{
	call->has_crc32c = true;
	call->body_len = len;
	if (call->kind == S3_PUT_OBJECT)
		keylock_set_sending(&e->cache->keylocks, call->key, true);
	(void)s3_run(e->cache->s3, call, NULL); /* the result is there */
	return trouble_errno(call);
}

/* From the chunk file, when all of it is there, and is right. */
static int
run_local(struct entry *e, uint64_t off, uint64_t len, struct s3_call *call)
{
	struct body body = { .chunk = &e->chunk, .off = off };
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < SUM_TRIES; i++) {
		r = send_localise(e, off, off + len);
		if (r == 0)
			r = sum(e, off, len, &call->crc32c);
	}
	if (r < 0)
		return r == -EAGAIN ? -ENOSPC : r;
	call->source = read_body;
	call->arg = &body;
	return run_call(e, len, call);
}

/* From memory: there is no room for what of it is not local. */
static int
run_direct(struct entry *e, uint64_t off, uint64_t len, struct s3_call *call)
{
	struct direct *d = e->cache->direct;
	uint8_t *data;
	int r;

	r = direct_take(d, (size_t)len, NULL, &data);
	if (r < 0)
		return r;
	r = direct_read(e, off, off + len, NULL, data);
	if (r == 0) {
		call->crc32c = crc32c(0, data, (size_t)len);
		call->body = data;
		r = run_call(e, len, call);
	}
	direct_put(d, data, (size_t)len);
	return r;
}

int
send_body(struct entry *e, uint64_t off, uint64_t len, struct s3_call *call)
{
	struct reader keep = { .off = off, .end = off + len };
	int r;

	lock_take(&e->lock);
	list_append(&e->readers, &keep.link);
	lock_drop(&e->lock);
	r = run_local(e, off, len, call);
	if (r == -ENOSPC && call->result.attempts == 0)
		r = run_direct(e, off, len, call);
	lock_take(&e->lock);
	list_remove(&keep.link);
	lock_drop(&e->lock);
	return r;
}

bool
send_is(struct entry *e, uint64_t off, const struct s3_part *part,
    uint32_t *ret_crc)
{
	struct reader keep = { .off = off, .end = off + part->size };
	struct body body = { .chunk = &e->chunk, .off = off };
	bool is_here;
	int r = 0;

	lock_take(&e->lock);
	list_append(&e->readers, &keep.link);
	is_here = rangeset_has(&e->chunk.present, keep.off, keep.end);
	lock_drop(&e->lock);
	if (is_here)
		r = s3_part_is(part, read_body, &body, ret_crc);
	lock_take(&e->lock);
	list_remove(&keep.link);
	lock_drop(&e->lock);
	return r == 1;
}

int
send_part(struct entry *e, const struct send_part *what, uint64_t off,
    uint64_t len, char **ret_etag, uint32_t *ret_crc)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_UPLOAD_PART);
	call.key = what->key;
	call.upload_id = what->upload_id;
	call.part_number = what->number;
	r = send_body(e, off, len, &call);
	if (r == 0 && call.object.etag == NULL && call.ret_parts_count == 0)
		r = -EIO;
	if (r == 0)
		*ret_etag = call.ret_parts_count > 0
				? TAKE(call.ret_parts[0].etag)
				: TAKE(call.object.etag);
	*ret_crc = call.crc32c;
	s3_call_fini(&call);
	return r;
}
