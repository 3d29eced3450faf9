/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.h - counters of the layer, one table.  Threads: any; no lock.
 */
#ifndef CACHE_STATS_H
#define CACHE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter {
	STAT_READ_BYTES,
	STAT_HIT_BYTES,
	STAT_FETCHED_BYTES,
	STAT_EVICTED_BYTES,
	STAT_BAD_BLOCKS,
	STAT_CHECKED_BLOCKS, /* against their CRCs */
	STAT_OPEN_FILES,     /* a level, as all that follow */
	STAT_DIRTY_BYTES,
	STAT_UPLOADS,
	STAT_REFUSED_NAMES, /* since the mount */
	STAT_CONFLICTS,     /* since the mount */
	STAT_COUNT
};

struct stats {
	_Atomic uint64_t values[STAT_COUNT];
};

static inline void
stats_add(struct stats *s, enum counter which, uint64_t n)
{
	atomic_fetch_add_explicit(&s->values[which], n, memory_order_relaxed);
}

static inline void
stats_sub(struct stats *s, enum counter which, uint64_t n)
{
	atomic_fetch_sub_explicit(&s->values[which], n, memory_order_relaxed);
}

static inline uint64_t
stats_get(struct stats *s, enum counter which)
{
	return atomic_load_explicit(&s->values[which], memory_order_relaxed);
}

#endif
