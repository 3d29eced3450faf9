/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrub.h - what lies in the cache folder, compared with its checksums while
 * nothing else goes on.
 *
 * A step a second, of at most a MiB, through the database, by page, and then
 * the chunk files, by number.  What is wrong is dealt with as if a reader had
 * met it (verify.h); the log and the counters have it.  When all was seen it
 * rests for an hour.
 *
 * Threads: one of its own.  Holds an entry only during a step.
 */
#ifndef CACHE_SCRUB_H
#define CACHE_SCRUB_H

/* Opaque types. */
struct cache;
struct scrub;

int scrub_start(struct cache *c, struct scrub **ret);

/* Ends its thread.  NULL is fine. */
void scrub_stop(struct scrub *s);

#endif
