/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck_chunk.c - chunk files against what the database knows of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/chunk.h"
#include "cache/entry.h"
#include "cache/fsck.h"
#include "cache/state.h"
#include "cache/verify.h"
#include "s3/base/cleanup.h"
#include "s3/base/crc.h"

/* One chunk file and what the database knows of it. */
struct one {
	struct fsck *f;
	uint64_t node;
	struct row row;     /* owned: its owner; no name: there is none */
	bool is_owed;       /* its dirty bytes are nowhere else */
	char name[32];      /* "xx/NODE" */
	uint64_t size;      /* of the file */
	uint64_t base_size; /* of the object that counts still */
	bool is_there;      /* the file */
	struct rangeset present;
	struct rangeset dirty; /* empty, unless is_owed */
};

static void
one_fini(struct one *o)
{
	row_fini(&o->row);
	rangeset_fini(&o->present);
	rangeset_fini(&o->dirty);
}

/* ---- what is told ---- */

static struct fsck_find
find_of(const struct one *o, const char *what)
{
	struct fsck_find find = { .what = what };

	if (o->row.name != NULL)
		find.row = &o->row;
	else
		find.name = o->name;
	return find;
}

/* All that is local of it goes: S3 has it.  Returns: whether it went. */
static bool
forget(struct one *o)
{
	struct cache *c = o->f->cache;
	struct db_chunk facts = { 0 };
	int r;

	if (o->f->is_online)
		(void)entries_drop_closed(c, o->node); /* looked at below */
	else
		(void)chunk_delete(c, o->node);
	r = db_chunk_get(c->db, o->node, &facts);
	db_chunk_fini(&facts);
	return r == -ENOENT;
}

static int
tell_forgotten(struct one *o, const char *what, const char *text)
{
	struct fsck_find find = find_of(o, what);

	find.is_mended = o->f->call->repair && !o->is_owed && forget(o);
	return fsck_tell(o->f, &find, "%s", text);
}

/* Dirty bytes that are not in the file. */
static int
tell_lost(struct one *o, const struct range *gone)
{
	const struct fsck_find find = find_of(o, "lost");

	return fsck_tell(o->f, &find,
	    "bytes %" PRIu64 "-%" PRIu64 " are neither in S3 nor in its chunk "
	    "file %s: write it anew, or remove it",
	    gone->off, gone->end, o->name);
}

/* ---- blocks ---- */

static int
tell_block(struct one *o, const struct range *share, bool is_mended)
{
	struct fsck_find find = find_of(o, "block");
	bool is_kept = rangeset_has_any(&o->dirty, share->off, share->end);

	find.is_mended = is_mended;
	return fsck_tell(o->f, &find,
	    "bytes %" PRIu64 "-%" PRIu64 " are damaged in its chunk file%s",
	    share->off, share->end,
	    is_kept ? ", and S3 does not have them: write it anew, or remove "
		      "it"
		    : "");
}

/* One block of an entry; what is to be told in ${ret_bad}, ${ret_mended}. */
static int
look_locked(struct one *o, struct entry *e, uint64_t block, struct range *share,
    bool *ret_bad, bool *ret_mended)
{
	int r = verify_look_locked(e, block, share);

	*ret_bad = r < 0 && r != -ENOMEM;
	*ret_mended = false;
	if (!*ret_bad)
		return r == -ENOMEM ? r : 0;
	if (o->f->call->repair) /* it spares what is dirty */
		*ret_mended = verify_bad_locked(e, share->off, share->end,
				  r == -EBADMSG ? 0 : r) == -EAGAIN;
	return 0;
}

/* All blocks of one in use, one at a time: others go on meanwhile. */
static int
check_entry(struct one *o, struct entry *e)
{
	uint64_t at = 0, off, end;
	struct range share;
	bool bad, mended, more;
	int r = 0;

	do {
		lock_take(&e->lock);
		/* What has no name any more is nobody's but its user's. */
		more = !e->is_unlinked && rangeset_next_run(&e->chunk.present,
					      at, UINT64_MAX, &off, &end);
		bad = false;
		if (more)
			r = look_locked(
			    o, e, off / CHUNK_BLOCK, &share, &bad, &mended);
		if (r == 0 && bad)
			r = rangeset_copy(&o->dirty, &e->chunk.dirty);
		lock_drop(&e->lock);
		at = chunk_block_start(more ? off : 0) + CHUNK_BLOCK;
		if (r == 0 && bad)
			r = tell_block(o, &share, mended);
		if (r == 0)
			r = fsck_pause(o->f);
	} while (r == 0 && more);
	return r;
}

/* Whether (1) a block of the file is not what ${want} says. */
static int
is_bad(int fd, const struct range *share, uint32_t want)
{
	size_t len = (size_t)(share->end - share->off);
	AUTO_FREE uint8_t *data = malloc(len);
	size_t have = 0;

	if (data == NULL)
		return -ENOMEM;
	while (have < len) {
		ssize_t n = pread(
		    fd, data + have, len - have, (off_t)(share->off + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 1; /* it cannot be read, or is not there */
		have += (size_t)n;
	}
	return crc32c(0, data, len) != want;
}

/* Whether S3 may not have a block: it is dirty, or no object lies under what
 * was written, so that all of it is ours (facts.h). */
static bool
is_ours(const struct one *o, const struct range *share)
{
	return rangeset_has_any(&o->dirty, share->off, share->end) ||
	       (o->is_owed && o->base_size == 0);
}

/* Take a block out: S3 has it.  Returns: whether it went. */
static bool
punch(struct one *o, const struct range *share)
{
	struct chunk chunk;
	int r;

	if (is_ours(o, share))
		return false;
	r = chunk_open(o->f->cache, o->node, &chunk);
	if (r < 0)
		return false;
	r = chunk_punch(&chunk, share->off, share->end);
	chunk_close(&chunk);
	return r == 0;
}

/* The block at ${off}, if it has a CRC and all of it is present. */
static int
check_block(
    struct one *o, int fd, uint64_t off, const uint32_t crc[DB_CRC_PAGE])
{
	struct range share = { chunk_block_start(off), 0 };
	uint32_t want = crc[off / CHUNK_BLOCK % DB_CRC_PAGE];
	int r;

	share.end = share.off + CHUNK_BLOCK;
	/* A snapshot's size is that of its file. */
	if (share.end > o->row.size && o->row.node == o->node)
		share.end = o->row.size;
	if (share.end > o->size)
		share.end = o->size;
	if (want == 0 || share.end <= share.off ||
	    !rangeset_has(&o->present, share.off, share.end))
		return 0;
	r = is_bad(fd, &share, want);
	if (r != 1)
		return r;
	return tell_block(o, &share, o->f->call->repair && punch(o, &share));
}

/* All blocks of one that nobody uses. */
static int
check_blocks(struct one *o)
{
	AUTO_FREE uint32_t *crc = calloc(DB_CRC_PAGE, sizeof(*crc));
	AUTO_CLOSE int fd =
	    openat(o->f->cache->chunks_fd, o->name, O_RDONLY | O_CLOEXEC);
	uint64_t page = UINT64_MAX, off = 0, end;
	int r = crc == NULL ? -ENOMEM : fd < 0 ? -errno : 0;

	while (r == 0 &&
	       rangeset_next_run(&o->present, off, UINT64_MAX, &off, &end)) {
		if (off / CHUNK_BLOCK / DB_CRC_PAGE != page) {
			page = off / CHUNK_BLOCK / DB_CRC_PAGE;
			r = db_crc_get(o->f->cache->db, o->node, page, crc);
			if (r == -ENOENT)
				memset(crc, 0, DB_CRC_PAGE * sizeof(*crc));
			r = r == -ENOENT ? 0 : r;
		}
		if (r == 0)
			r = check_block(o, fd, off, crc);
		off = chunk_block_start(off) + CHUNK_BLOCK;
	}
	return r;
}

/* ---- facts ---- */

static int
read_facts(struct one *o)
{
	struct cache *c = o->f->cache;
	struct db_chunk facts;
	struct stat st;
	int r = db_chunk_get(c->db, o->node, &facts);

	if (r < 0)
		return r;
	r = rangeset_unpack(facts.present, facts.present_len, &o->present);
	if (r == 0)
		r = rangeset_unpack(facts.dirty, facts.dirty_len, &o->dirty);
	o->base_size = facts.base_size;
	db_chunk_fini(&facts);
	if (r < 0)
		return r;
	o->is_there = fstatat(c->chunks_fd, o->name, &st, 0) == 0;
	o->size = o->is_there ? (uint64_t)st.st_size : 0;
	return 0;
}

/* Dirty ranges of one that is clean: the next mount would not look at them
 * either. */
static int
check_dirty(struct one *o)
{
	struct fsck_find find = find_of(o, "state");

	if (o->is_owed || rangeset_is_empty(&o->dirty) || o->row.name == NULL)
		return 0;
	rangeset_clear(&o->dirty);
	if (o->f->is_online || !o->f->is_clean)
		return 0; /* facts come later than states */
	find.is_mended =
	    o->f->call->repair && db_chunks_clean(o->f->cache->db) == 0;
	return fsck_tell(
	    o->f, &find, "bytes of it are called unsent, but S3 has them");
}

/* Whether dirty bytes are not in the file; that was told. */
static int
check_lost(struct one *o, bool *ret_lost)
{
	uint64_t at = 0;
	struct range gone;
	int r = 0;

	*ret_lost = false;
	while (r == 0 && rangeset_next_run(
			     &o->dirty, at, UINT64_MAX, &gone.off, &gone.end)) {
		at = gone.end;
		if (gone.end <= o->size)
			continue;
		if (gone.off < o->size)
			gone.off = o->size;
		*ret_lost = true;
		r = tell_lost(o, &gone);
	}
	return r;
}

static uint64_t
end_of(const struct rangeset *set)
{
	return set->count == 0 ? 0 : set->ranges[set->count - 1].end;
}

/* No row owns it, and it is not in memory. */
static int
check_unowned(struct one *o)
{
	const struct fsck_find kept = find_of(o, "orphan");

	if (o->f->is_online && o->node >= o->f->cache->boot_number)
		return 0; /* it is just being made */
	/* A kill leaves it of a file that was removed: the next mount lets go
	 * of it. */
	if (!rangeset_is_empty(&o->dirty) && !o->f->is_clean)
		return 0;
	if (!rangeset_is_empty(&o->dirty))
		return fsck_tell(o->f, &kept,
		    "no name belongs to this chunk file, and S3 may not have "
		    "its bytes: look at it");
	return tell_forgotten(
	    o, "orphan", "no name belongs to this chunk file");
}

/* 1: something is wrong with the file as a whole, and that was told. */
static int
check_file(struct one *o)
{
	bool lost = false;
	int r = check_dirty(o);

	if (r == 0)
		r = check_lost(o, &lost);
	if (r < 0 || lost)
		return r < 0 ? r : 1;
	if (end_of(&o->present) <= o->size)
		return 0;
	r = tell_forgotten(o, "missing",
	    o->is_there ? "its chunk file is too short"
			: "its chunk file is gone");
	return r < 0 ? r : 1;
}

/* One that is not in memory. */
static int
check_closed(struct one *o)
{
	struct entry *e = NULL;
	int r = read_facts(o);

	if (r == -ENOENT)
		return 0; /* it just went */
	if (r == -EBADMSG)
		return tell_forgotten(o, "missing",
		    "what is known of its "
		    "chunk file is damaged");
	if (r == 0 && o->row.name == NULL)
		return check_unowned(o);
	if (r == 0)
		r = check_file(o);
	if (r != 0 || !o->is_there)
		return r < 0 ? r : 0;
	if (!o->f->is_online)
		return check_blocks(o);
	/* From here on somebody uses it: we do. */
	r = entry_get(o->f->cache, o->node, &e);
	if (r < 0)
		return 0; /* hidden, or a snapshot: the next mount checks it */
	r = check_entry(o, e);
	entry_put(e);
	return r;
}

static int
check_one(struct fsck *f, uint64_t node)
{
	struct one o = { .f = f, .node = node };
	struct entry *e = f->is_online ? entry_find(f->cache, node) : NULL;
	int r;

	rangeset_init(&o.present);
	rangeset_init(&o.dirty);
	(void)snprintf(o.name, sizeof(o.name), "%02x/%" PRIu64,
	    (unsigned)(node & 0xff), node);
	r = fsck_owner(f, node, &o.row, &o.is_owed);
	if (r == 0 || r == -ENOENT)
		r = e != NULL ? check_entry(&o, e) : check_closed(&o);
	entry_put(e);
	one_fini(&o);
	return r;
}

int
fsck_chunks(struct fsck *f)
{
	uint64_t node = 0;
	int r;

	if (f->is_online)
		entries_flush(f->cache); /* what is new in memory */
	do {
		r = db_chunk_next(f->cache->db, node, &node);
		if (r == 0)
			r = check_one(f, node++);
		if (r == 0)
			r = fsck_pause(f);
	} while (r == 0);
	return r == -ENOENT ? 0 : r;
}
