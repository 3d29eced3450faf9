/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core.h - private: what the parts of the layer share.
 *
 * A `struct cache` owns one of each part; parts reach each other through it
 * by the functions of their headers only.  All pointers are set by
 * cache_open() before the first thread starts and stay until cache_close().
 */
#ifndef CACHE_CORE_H
#define CACHE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/absent.h"
#include "cache/answered.h"
#include "cache/cache.h"
#include "cache/keylock.h"
#include "cache/progress.h"
#include "cache/space.h"
#include "cache/stats.h"
#include "cache/treelock.h"
#include "s3/s3.h"

/* Opaque types. */
struct db;
struct dir_recover;
struct direct;
struct entries;
struct evict;
struct heads;
struct listings;
struct mime;
struct nameless;
struct owed;
struct pool;
struct probes;
struct series;
struct stages;
struct sweep;
struct scrub;
struct worker;
struct writeback;
struct zero;

struct cache {
	struct cache_config config; /* [I] strings are owned */
	const struct clock *clock;  /* [I] */
	struct s3 *s3;              /* [I] */
	struct cache_hooks hooks;   /* [I] */
	char *dir;                  /* [I] owned: the bucket's folder */
	int chunks_fd;              /* [I] its folder chunks/ */
	int lock_fd;                /* [I] flock'ed */
	int64_t epoch_ms;           /* [I] cache clock - monotonic clock */
	int64_t doubt_ms;           /* [I] nothing seen before is fresh */
	_Atomic bool is_closing;
	_Atomic bool is_hurried; /* the drain before was interrupted */
	uint32_t generation;     /* [I] of the nodes of this folder, never 0 */
	uint64_t boot_number;    /* [I] numbers from here on are new */
	bool is_same_boot; /* [I] the last run was of this boot: what it wrote
			      is there, synced or not */
	bool was_clean;    /* [I] the last run ended in order */
	struct db *db;
	struct entries *entries;
	struct evict *evict;
	struct direct *direct;
	struct listings *listings;
	struct heads *heads;
	struct pool *pool;
	struct series *series;
	struct scrub *scrub;
	struct worker *worker;
	struct writeback *writeback;
	struct probes *probes;
	struct mime *mime;
	struct nameless *nameless;
	struct zero *zero;
	struct dir_recover *dir_recover;
	struct sweep *sweep;
	struct stages *stages;
	struct owed *owed;
	struct keylocks keylocks;
	struct treelocks treelocks;
	struct progresses progresses;
	struct absent absent;
	struct answered answered;
	struct space space;
	struct stats stats;
};

/*
 * The cache's clock, in milliseconds: near wall time, but never going back,
 * neither in one run nor from one to the next.
 */
int64_t cache_now_ms(const struct cache *c);

/* A monotonic time of the s3 layer (s3_result.sent_ms) on that clock. */
static inline int64_t
cache_ms(const struct cache *c, int64_t mono_ms)
{
	return c->epoch_ms + mono_ms;
}

/* Whether what was seen at ${seen_ms} is younger than the ttl, and than the
 * last kill: what a request that was under way then did is seen by nobody. */
bool cache_is_fresh(const struct cache *c, int64_t seen_ms);

/* How long it may still be believed, in ms, that a name was not there at
 * ${seen_ms}; 0: not any more. */
unsigned cache_absent_valid_ms(const struct cache *c, int64_t seen_ms);

#endif
