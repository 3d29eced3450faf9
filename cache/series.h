/* SPDX-License-Identifier: Apache-2.0 */
/*
 * series.h - small files that are read one after the other are fetched ahead.
 *
 * Which, follow.h says.  Only files of up to AHEAD_WHOLE, which are one GET
 * each, of which nothing is local; of a listing within the ttl; SERIES_BYTES
 * of them at a time, or an eighth of the cache; in the background, half of the
 * connections at most, so that they keep nobody else waiting.
 *
 * Threads: the readers'.  Locks: its own, a leaf.
 */
#ifndef CACHE_SERIES_H
#define CACHE_SERIES_H

#include <stdint.h>

#define SERIES_BYTES ((uint64_t)8 << 20)

struct cache;
struct entry;
struct series;

int series_new(struct series **ret);
void series_free(struct series *s);

/* End what is fetched ahead; no file is open.  NULL is fine. */
void series_stop(struct cache *c);

/* The file ${e} was read from its start, first since it was opened. */
void series_read(struct entry *e);

#endif
