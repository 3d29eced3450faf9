/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - the blocks of a chunk file against their CRCs, and what becomes
 * of one that is wrong, or cannot be read.
 *
 * A clean block is taken out, and fetched again by whoever needs it.  One that
 * holds bytes that S3 does not have is kept as it is and named in the log;
 * whoever wants to read or send it gets -EIO.  Writing the bytes anew cures
 * it, if the write covers the block.
 *
 * Locks: where a name says so, the entry's is held; else none.
 */
#ifndef CACHE_VERIFY_H
#define CACHE_VERIFY_H

#include <stdint.h>

/* Opaque types. */
struct entry;
struct range;

/**
 * verify_block_locked(e, block):
 * Compare block number ${block} of ${e} with its CRC, if it has one and was
 * not compared since its file was opened.
 * Returns: 0; -EAGAIN it was wrong, and is absent now; -EIO it is wrong and
 *     nowhere else; -ENOMEM.
 */
int verify_block_locked(struct entry *e, uint64_t block);

/**
 * verify_look_locked(e, block, ret):
 * Compare it, and leave it as it is.  ${ret}: the share of the file in it.
 * Returns: 0 it is as its CRC says; 1 there is nothing to compare, or no CRC;
 *     -EBADMSG it is not; -EIO ... it cannot be read; -ENOMEM.
 */
int verify_look_locked(struct entry *e, uint64_t block, struct range *ret);

/**
 * verify_edges_locked(e, off, end):
 * Of [off, end), which is to be changed: compare the blocks that keep a part
 * of their bytes, so that what is wrong does not become part of the change.
 * Returns: 0 (what was wrong is absent now, or it is to be written whole);
 *     -EIO, -ENOMEM.
 */
int verify_edges_locked(struct entry *e, uint64_t off, uint64_t end);

/**
 * verify_bad_locked(e, off, end, err):
 * The block [off, end), present, is not what its CRC says (${err} 0), or
 * cannot be read.
 * Returns: -EAGAIN it is absent now; -EIO; -errno.
 */
int verify_bad_locked(struct entry *e, uint64_t off, uint64_t end, int err);

/* Give each block that holds dirty bytes, is present and has no CRC, one: the
 * file is to be kept.  Returns: 0; -EIO, -ENOMEM. */
int verify_seal(struct entry *e);

/* Compare all blocks that are here.  Returns: 0 (what was wrong and clean is
 * absent now); -EIO, -ENOMEM. */
int verify_all(struct entry *e);

#endif
