/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.h - one GET on its way into a chunk file.
 *
 * It asks for a range; or for a whole object, if that is one piece and nothing
 * of it is local: then S3 may send a checksum of it, which the client
 * compares.  Bytes of an object of up to FETCH_HELD_MAX are present when that
 * was done, all at once, and never if they differ.  Those of a larger one are
 * present as they come; if they differ in the end, they are withdrawn, from
 * the kernel's pages too, but programs may have read some of them.  Either way
 * they are fetched anew, FETCH_TRIES times in all; then it is -EIO.  A range
 * has nothing to be compared with.
 *
 * Threads: started by readers; the bytes arrive on the net thread, its end is
 *          the worker's.  Locks: the entry's, as said.
 */
#ifndef CACHE_FETCH_H
#define CACHE_FETCH_H

#include <stdbool.h>
#include <stdint.h>

struct entry;
struct fetch;
struct waiter;

/**
 * fetch_new(e, off, end, ret):
 * Prepare a GET of [off, end) of ${e}: both at block borders (end: or the
 * end of the file), and put it on the entry's list, so that others join it.
 * An object of up to FETCH_HELD_MAX of which nothing is local or under way is
 * asked for as a whole, whatever the range.
 * Locks:   the entry's is held.
 * Memory:  ${*ret} belongs to the list; it ends itself after fetch_start().
 */
int fetch_new(struct entry *e, uint64_t off, uint64_t end, struct fetch **ret);

/**
 * fetch_start(f, w):
 * Reserve space and send it.  Every failure is told to the readers that wait
 * for its range; -ENOSPC is that the cache folder has no room, or takes no
 * more.  ${w}: of the reader that needs it now: if there is no room,
 * others that hold some are waited for.  NULL: it is fetched ahead: without
 * room it just ends.  ${w} may be woken without a reason.
 * Locks:   none is held.
 */
void fetch_start(struct fetch *f, struct waiter *w);

/* Whether byte ${off} of the entry is on its way; then up to ${*ret_end}.
 * Locks: the entry's is held. */
bool fetch_covers(struct entry *e, uint64_t off, uint64_t *ret_end);

/* Where the next range on its way begins after ${off}, UINT64_MAX: nowhere.
 * Locks: the entry's is held. */
uint64_t fetch_next(struct entry *e, uint64_t off);

/* The file is about to be changed: end those that must have the object as a
 * whole; who waits for them asks again.  Locks: the entry's is held. */
void fetch_cancel_whole(struct entry *e);

/* End all fetches of ${e} soon.  Locks: the entry's is held. */
void fetch_cancel_all(struct entry *e);

#endif
