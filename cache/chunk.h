/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk.h - the local bytes of one version: a sparse file chunks/xx/NODE, the
 * ranges of it that are present, and a CRC32C for each block.
 *
 * What is present is a clean fact: it is written to the database now and then
 * and may be lost by a crash; then the bytes are fetched anew.  What is dirty
 * is stored beside it.  The order
 * keeps lies out: bytes are written before they are called present; a block's
 * CRC is withdrawn before the block is changed, and a range is withdrawn from
 * the database before it is punched.  "No CRC" is legal, a wrong one never.
 *
 * Zeros that nobody wrote take no room: the file has a *hole* there, which is
 * present, and dirty until S3 has it, like other bytes.  Which pages are holes
 * is noted to know how much room the rest takes, and for nothing else.  As the
 * file itself tells, it is not stored, but looked for when the chunk is opened.
 *
 * Locks: all calls but chunk_write(), chunk_read(), chunk_delete() and those
 * that say so under the lock of the entry that the chunk is part of.
 */
#ifndef CACHE_CHUNK_H
#define CACHE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/rangeset.h"
#include "s3/base/list.h"

struct cache;

/* The base_size in the database while the file is being cut down to nothing:
 * whatever it still holds does not count. */
#define CHUNK_CUT ((uint64_t)INT64_MAX - 1)

#define CHUNK_BLOCK ((uint64_t)128 << 10) /* bytes; the unit of CRCs */

/* Where the block begins that byte ${off} lies in. */
static inline uint64_t
chunk_block_start(uint64_t off)
{
	return off / CHUNK_BLOCK * CHUNK_BLOCK;
}

struct chunk {
	struct cache *cache;     /* [I] */
	uint64_t node;           /* [I] its name */
	int fd;                  /* [I] while open; -1 */
	struct rangeset present; /* [e] */
	struct rangeset dirty;   /* [e] not in S3; all of it is present */
	struct rangeset holes; /* [e] of what is present: pages without room */
	uint64_t base_size;    /* [e] bytes of the object that count still */
	struct list pages;     /* [e] struct crc_page, last used first */
	unsigned page_count;   /* [e] */
	bool is_changed;       /* [e] since it was written to the database */
	bool has_row;          /* [e] the database knows the file */
	uint64_t hand;         /* [e] where eviction goes on */
};

/* Make or open the chunk of ${node}, with what is known of it. */
int chunk_open(struct cache *c, uint64_t node, struct chunk *ret);

/* The size of the file of ${node}, which nobody has open, and the room that it
 * takes on the disk (NULL: never mind); 0: there is none. */
uint64_t chunk_file_size(struct cache *c, uint64_t node, uint64_t *ret_room);

/* Cut that file, made if it is gone, to ${size}, or add zeros. */
int chunk_resize_file(struct cache *c, uint64_t node, uint64_t size);

/* Write the facts, close.  An unopened chunk is fine. */
void chunk_close(struct chunk *ch);

/* Write the facts to the database if they changed. */
int chunk_flush(struct chunk *ch);

/* A transaction with a chunk_flush() or chunk_flush_sent() in it was rolled
 * back: the next one writes all again. */
void chunk_unstored(struct chunk *ch);

/* Within a transaction: write them as they are when S3 has all ${size} bytes;
 * and after it, that it is so. */
int chunk_flush_sent(struct chunk *ch, uint64_t size);
void chunk_set_sent(struct chunk *ch, uint64_t size);

/* Remove file and facts of ${node}, which nobody has open.  Returns: how many
 * bytes that gave back. */
uint64_t chunk_delete(struct cache *c, uint64_t node);

/* All of ${len} bytes at ${off}: 0 or -errno. */
int chunk_write(struct chunk *ch, uint64_t off, const void *data, size_t len);
int chunk_read(struct chunk *ch, uint64_t off, void *data, size_t len);

/* All bytes that were written before are on the disk, and the file's name.
 * Locks: any.  Returns: 0 or -errno. */
int chunk_sync(struct chunk *ch);

/* ${len} bytes at ${off} were written: they are present. */
int chunk_add(struct chunk *ch, uint64_t off, uint64_t len);

/* Likewise, but the file got a hole there. */
int chunk_add_hole(struct chunk *ch, uint64_t off, uint64_t len);

/* All from ${size} on is present no more: the file is to be cut. */
void chunk_cut(struct chunk *ch, uint64_t size);

/* How much room what is present takes; likewise of ${some} of it. */
uint64_t chunk_room(const struct chunk *ch);
uint64_t chunk_room_of(const struct chunk *ch, const struct rangeset *some);

/* Look for the holes of what is present, if there is any.  For chunk.c. */
void chunk_find_holes(struct chunk *ch);

/* The first run of [off, end) that is present and takes room.  Returns: false
 * if there is none; then the results are untouched. */
bool chunk_next_room(const struct chunk *ch, uint64_t off, uint64_t end,
    uint64_t *ret_off, uint64_t *ret_end);

/* Take [off, end) out: facts first, then the file's blocks. */
int chunk_punch(struct chunk *ch, uint64_t off, uint64_t end);

/* Call [off, end) absent, but let who reads it now end: the file stays as it
 * is, and the range is written anew, or chunk_trim() comes later. */
int chunk_withdraw(struct chunk *ch, uint64_t off, uint64_t end);

/* What the file holds of [off, end) that is not present shall take no room. */
void chunk_trim(struct chunk *ch, uint64_t off, uint64_t end);

/**
 * chunk_holes(ch, within, least, ret):
 * Add to ${ret} the parts of ${within}, which is present and does not change
 * now, that the file has no blocks for: they are zeros.  Those under ${least}
 * bytes are left out, and all where the filesystem cannot tell.  Locks: any.
 * Returns: 0; -ENOMEM.
 */
int chunk_holes(struct chunk *ch, const struct range *within, uint64_t least,
    struct rangeset *ret);

/* Whether all of ${within} is such a hole.  Locks: any. */
bool chunk_is_hole(struct chunk *ch, const struct range *within);

/* The CRC of block number ${block}; false if it has none. */
bool chunk_get_crc(struct chunk *ch, uint64_t block, uint32_t *ret);

/* Set the CRC of a block whose bytes are known to be good. */
void chunk_set_crc(struct chunk *ch, uint64_t block, uint32_t crc);

/* The block is about to be changed: it has none from now on, in the database
 * either.  Returns: 0; -ENOSPC and the like: the database; it must not be
 * changed. */
int chunk_clear_crc(struct chunk *ch, uint64_t block);

/* Whether the block was checked since the chunk was opened. */
bool chunk_is_checked(struct chunk *ch, uint64_t block);
void chunk_set_checked(struct chunk *ch, uint64_t block);

#endif
