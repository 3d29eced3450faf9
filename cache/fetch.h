/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.h - one ranged GET on its way into a chunk file.
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

/**
 * fetch_new(e, off, end, ret):
 * Prepare a GET of [off, end) of ${e}: both at block borders (end: or the
 * end of the file), and put it on the entry's list, so that others join it.
 * Locks:   the entry's is held.
 * Memory:  ${*ret} belongs to the list; it ends itself after fetch_start().
 */
int fetch_new(struct entry *e, uint64_t off, uint64_t end, struct fetch **ret);

/**
 * fetch_start(f, background):
 * Reserve space and send it.  Every failure is told to the readers that wait
 * for its range.
 * Locks:   none is held.
 */
void fetch_start(struct fetch *f, bool background);

/* Whether byte ${off} of the entry is on its way; then up to ${*ret_end}.
 * Locks: the entry's is held. */
bool fetch_covers(struct entry *e, uint64_t off, uint64_t *ret_end);

/* Where the next range on its way begins after ${off}, UINT64_MAX: nowhere.
 * Locks: the entry's is held. */
uint64_t fetch_next(struct entry *e, uint64_t off);

/* End all fetches of ${e} soon.  Locks: the entry's is held. */
void fetch_cancel_all(struct entry *e);

#endif
