/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.h - bytes of an entry version: hit, miss, joined misses.
 *
 * A read that finds its range in the chunk file checks the blocks' CRCs, once
 * a mount, and is done.  Else the missing pieces are fetched: ranged GETs
 * with If-Match, up to 8 MiB each, whose bytes go from the net thread
 * straight into the chunk file.  Whoever wants bytes that are on their way
 * waits for them; nobody asks twice.
 *
 * When the server says that the version is gone (412, 404), it is asked for
 * by its versionId if that is known; else the entry is lost: what is local
 * can still be read, the rest is -ESTALE.
 *
 * Where there is no room for them in the cache folder, they go past it
 * (direct.h).
 *
 * The kernel asks twice for what cannot be read, for its read-ahead and then
 * for the page: a range that failed keeps its error for a second, for the open
 * file that asked.
 */
#ifndef CACHE_READ_H
#define CACHE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/ahead.h"
#include "cache/cache.h"

struct entry;

/* What reads of one open file leave for the next; zeroed at the start.
 * Guarded by the lock of its entry. */
struct read_state {
	struct ahead ahead;
	uint64_t failed_off; /* the last range that failed */
	uint64_t failed_end;
	int64_t failed_ms; /* monotonic: when */
	int failed_err;    /* -errno; 0: none did */
	bool must_stay; /* [I] what is read is to be in the chunk file: -ENOSPC
			   if that has no room */
};

/**
 * read_bytes(e, state, off, len, w, ret):
 * As cache_file_read(), for the open file of ${state}.  The caller holds a
 * reference to ${e}, no lock.
 */
int read_bytes(struct entry *e, struct read_state *state, uint64_t off,
    size_t len, struct waiter *w, struct cache_bytes *ret);

/* Nobody has the file open any more: end its fetches. */
void read_cancel(struct entry *e);

#endif
