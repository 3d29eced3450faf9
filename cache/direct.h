/* SPDX-License-Identifier: Apache-2.0 */
/*
 * direct.h - bytes of an entry in memory, past the chunk file.
 *
 * Where there is no room in the cache folder for what is to be read or sent,
 * it goes through memory: what is local comes from the chunk file, the rest by
 * GETs of the same version.  Nothing becomes present, so that it works with a
 * cache that is full of bytes that may not go, and with a disk that is full or
 * takes no more writes.
 *
 * All windows together take a quarter of config.memory, or one window does, up
 * to half of it; what is to be sent, a part at least, up to 128 MiB, since it
 * cannot be had otherwise.  Who wants one waits for others to end, which they
 * do as they wait for nothing but S3.
 *
 * Threads: any.  Locks: none is held.
 */
#ifndef CACHE_DIRECT_H
#define CACHE_DIRECT_H

#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct direct;
struct entry;
struct waiter;

int direct_new(struct cache *c, struct direct **ret);
void direct_free(struct direct *d);

/**
 * direct_take(d, len, w, ret):
 * A window of ${len} bytes; direct_put() gives it back.  ${w} NULL: to send.
 * Returns: 0; -ENOSPC there will be none of that length; -EINTR; -ENOMEM.
 */
int direct_take(struct direct *d, size_t len, struct waiter *w, uint8_t **ret);
void direct_put(struct direct *d, uint8_t *data, size_t len);

/**
 * direct_read(e, off, end, w, data):
 * Fill ${data} with [off, end) of ${e}.
 * Returns: 0; -EAGAIN the file is shorter now; -ESTALE the version cannot be
 *     reached; -EIO; -EINTR.
 */
int direct_read(struct entry *e, uint64_t off, uint64_t end, struct waiter *w,
    uint8_t *data);

#endif
