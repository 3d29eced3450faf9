/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h - what is known of the bytes of a version, after a crash.
 *
 * Where no object lies under what was written, as in a new file, all bytes of
 * the chunk file are ours, and its size is the file's.
 *
 * Else the facts of a chunk file that is being written are in the database 250
 * ms later; what was written then is known, what came after is not.  A range
 * that is not dirty there may hold newer bytes, which nothing tells from those
 * of the object: so only the dirty ranges count as present.  A CRC was
 * withdrawn before its block was changed; but after power loss the block may
 * have reached the disk, and that not: so unless the machine runs since, CRCs
 * go.
 *
 * Bytes are in the file before the database calls them dirty, and what a file
 * is cut by is told to the database before: so what is dirty beyond the end of
 * the file is lost.
 */
#ifndef CACHE_FACTS_H
#define CACHE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/rangeset.h"

/* Opaque types. */
struct buf;
struct cache;

struct facts {
	uint64_t node;      /* of the chunk file */
	uint64_t size;      /* bytes of the file */
	uint64_t base_size; /* of them, the object's where they are not dirty */
	bool has_dirty;
	bool is_known;        /* else there are none, and all this is 0 */
	struct rangeset lost; /* owned: were dirty, and are not in the file; it
				 ends before them, or is gone */
};

/* {0} is fine, as in all of these. */
void facts_fini(struct facts *f);

/**
 * facts_mend(c, node, ret):
 * What the database and the chunk file, which nobody has open, tell; store it,
 * so that it is no more than is sure.  May be called within a transaction.
 * Memory:  ${ret} is to be given to facts_fini(), also on failure.
 * Returns: 0; -errno.
 */
int facts_mend(struct cache *c, uint64_t node, struct facts *ret);

/* What is lost counts as dirty again: zeros, once the file reaches so far
 * (facts_reach()).  May be called within a transaction.  0 or -errno. */
int facts_with_lost(struct cache *c, struct facts *f);

/* Have the chunk file reach to the end of what is lost: after that transaction,
 * or a kill between would make zeros of it, untold. */
int facts_reach(struct cache *c, const struct facts *f);

/* Append "OFF-END ..." in bytes, as much of ${f->lost} as ${ret} has room
 * for. */
int facts_tell_lost(const struct facts *f, struct buf *ret);

#endif
