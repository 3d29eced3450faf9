/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evict.h - space: reserve before bytes are written; LRU; never a dirty byte,
 * never under a read in flight.
 *
 * What is used (space.h, and the database) is kept at most config.size, and
 * the filesystem's free space at least config.free_space, and some MiB for the
 * database: what is asked for beyond that makes room first, from the least
 * recently used closed chunks, then from open ones.
 *
 * Threads: any; one at a time evicts.
 */
#ifndef CACHE_EVICT_H
#define CACHE_EVICT_H

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct evict;
struct waiter;

int evict_new(struct cache *c, struct evict **ret);
void evict_free(struct evict *e);

/**
 * evict_reserve(e, len):
 * Set ${len} bytes aside, evicting what it takes.
 * Locks:   none is held: it takes entry locks.
 * Returns: 0, or -ENOSPC: nothing more can be evicted.
 */
int evict_reserve(struct evict *e, uint64_t len);

/* Whether ${len} bytes find room where nobody is, or where only what was not
 * used since ${since_ms} (cache clock) is.  Nothing is set aside.  Locks: none.
 */
bool evict_has_room(struct evict *e, uint64_t len, int64_t since_ms);

/* A fetch that is to hold room begins; it has ended, and what it filled may be
 * evicted.  Locks: any but leaves. */
void evict_enter(struct evict *e);
void evict_leave(struct evict *e);

/**
 * evict_demand(e, len, w):
 * As evict_reserve(), for a fetch that a reader waits for: while others hold
 * room, wait for them to end.
 * Returns: 0; -ENOSPC there is no other, or all of them wait, too; -EINTR.
 */
int evict_demand(struct evict *e, uint64_t len, struct waiter *w);

/* An upload begins; it has ended, and its bytes may be evicted.  Locks: any but
 * leaves. */
void evict_upload_begin(struct evict *e);
void evict_upload_end(struct evict *e);

/* As evict_demand(), for bytes that are to be written: uploads are waited for.
 */
int evict_for_write(struct evict *e, uint64_t len, struct waiter *w);

/**
 * evict_full(e, len, w):
 * The filesystem has no room for ${len} bytes, although they were set aside:
 * others use it, too.  Evict so many, or wait for an upload (${w} NULL: do not)
 * whose bytes may go then.
 * Returns: 0: try again; -ENOSPC: nothing can go; -EINTR.
 */
int evict_full(struct evict *e, uint64_t len, struct waiter *w);

/* Make room for the database soon, on the worker: there is none.  Locks: any
 * but leaves. */
void evict_soon(struct evict *e);

/* All bytes used under the folder, those set aside included. */
uint64_t evict_used(struct evict *e);

#endif
