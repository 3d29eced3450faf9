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
 */
#ifndef CACHE_READ_H
#define CACHE_READ_H

#include <stdint.h>

#include "cache/ahead.h"
#include "cache/cache.h"

struct entry;

/**
 * read_bytes(e, a, off, len, w, ret):
 * As cache_file_read().  ${a}: the open file's streams, guarded by the lock
 * of ${e}.  The caller holds a reference to ${e}, no lock.
 */
int read_bytes(struct entry *e, struct ahead *a, uint64_t off, size_t len,
    struct waiter *w, struct cache_bytes *ret);

/* Nobody has the file open any more: end its fetches. */
void read_cancel(struct entry *e);

#endif
