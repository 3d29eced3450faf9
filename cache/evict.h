/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evict.h - space: reserve before bytes are written; LRU; never a dirty byte,
 * never under a read in flight.
 *
 * used = bytes present in chunk files + bytes reserved for what is on its way
 * + the database.  It is kept at most config.size, and the filesystem's free
 * space at least config.free_space: what is asked for beyond that makes room
 * first, from the least recently used closed chunks, then from open ones.
 *
 * Threads: any.  Locks: evict_reserve() takes entry locks: callers hold none.
 * The others are leaves.
 */
#ifndef CACHE_EVICT_H
#define CACHE_EVICT_H

#include <stdint.h>

struct cache;
struct evict;

/* ${used}: bytes present in chunk files at the start. */
int evict_new(struct cache *c, uint64_t used, struct evict **ret);
void evict_free(struct evict *e);

/**
 * evict_reserve(e, len):
 * Set ${len} bytes aside, evicting what it takes.
 * Returns: 0, or -ENOSPC: nothing more can be evicted.
 */
int evict_reserve(struct evict *e, uint64_t len);

/* Of the bytes set aside, ${len} are present now. */
void evict_filled(struct evict *e, uint64_t len);

/* ${len} bytes set aside are not needed after all. */
void evict_release(struct evict *e, uint64_t len);

/* ${len} bytes are present no more. */
void evict_freed(struct evict *e, uint64_t len);

uint64_t evict_used(struct evict *e);

/* Of that, bytes present in chunk files. */
uint64_t evict_present(struct evict *e);

#endif
