/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep.h - what must be done before our own hand takes an object away.
 */
#ifndef CACHE_KEEP_H
#define CACHE_KEEP_H

#include <stdint.h>

/* Opaque types. */
struct cache;
struct row;
struct waiter;

/**
 * keep_open_version(c, node, w):
 * The object of version ${node} is about to be removed or replaced: if it is
 * in use, make all of it local, and keep it from eviction until it is closed.
 * Where the bucket keeps versions it stays in S3, and nothing is fetched.
 * Locks:   none is held.
 * Returns: 0 (also if it is not open); -ENOSPC it does not fit; -EIO; -EINTR.
 */
int keep_open_version(struct cache *c, uint64_t node, struct waiter *w);

/**
 * keep_parent(c, id, leaving, w):
 * Directory ${id} is about to lose entry ${leaving} (its id): if that is the
 * last, and only keys below it make it exist, write its marker first, so that
 * it stays.
 * Locks:   none is held, and no key that is not a marker's is marked busy: the
 *     marker's is taken here.
 * Returns: 0 (also if other entries are left, or it is the root); -errno.
 */
int keep_parent(
    struct cache *c, uint64_t id, uint64_t leaving, struct waiter *w);

#endif
