/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zero.h - runs of zeros that S3 copies from an object of zeros.
 *
 * A hole of the chunk file in what is dirty is zeros, and not by guess: that is
 * what truncate, fallocate and writes beyond the end leave there.  Where a
 * multipart upload has ZERO_SIZE bytes of them or more, they are parts copied
 * from PREFIX.pailfs/zero/16777216, which holds as many zeros.  It is made, on
 * condition that there is none, when it is first needed; all mounts of the
 * bucket and prefix share it, so none removes it.  It may be deleted at any
 * time: who misses it makes it anew.  Bytes found there are not believed to be
 * zeros before that was proved, by the ETag (an MD5) or by reading them.
 *
 * Where the bucket refuses this, zeros are sent like other bytes, which the log
 * says once a mount.
 *
 * Threads: any; one makes the object, others wait.  Locks: none is held.
 */
#ifndef CACHE_ZERO_H
#define CACHE_ZERO_H

#include <stdint.h>

/* Opaque types. */
struct cache;
struct entry;
struct rangeset;
struct zero;

/* Enough that a run of zeros can be cut into parts of at least S3_PART_MIN, and
 * for the first 2000 parts of the schedule of plan.h. */
#define ZERO_SIZE (UINT64_C(16) << 20)

int zero_new(struct cache *c, struct zero **ret);
void zero_free(struct zero *z);

/* ZERO_SIZE; 0 if zeros are not to be copied on this mount. */
uint64_t zero_size(struct cache *c);

/**
 * zero_find(e, ret):
 * Add to ${ret} the runs of zeros of ${e}, which is frozen, that are dirty
 * and as long as a part.  Locks: none is held.
 * Returns: 0; -ENOMEM.
 */
int zero_find(struct entry *e, struct rangeset *ret);

/**
 * zero_get(c, bytes, ret_etag):
 * Have the object in S3.  ${bytes}: how many are to be copied: for fewer than
 * ZERO_SIZE it is not made.
 * Memory:  ${*ret_etag} is owned; NULL: the server gives none.
 * Returns: 0; -errno: the zeros are to be sent.
 */
int zero_get(struct cache *c, uint64_t bytes, char **ret_etag);

/* Its key; valid until zero_free(). */
const char *zero_key(struct cache *c);

/* The CRC32C of ${len} zeros. */
uint32_t zero_crc(uint64_t len);

/* A copy did not find it, or not with ${etag}. */
void zero_forget(struct cache *c, const char *etag);

/* Zeros are not copied any more on this mount; ${why}: said once. */
void zero_refuse(struct cache *c, const char *why);

#endif
