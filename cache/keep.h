/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep.h - what must be done before our own hand takes an object away.
 */
#ifndef CACHE_KEEP_H
#define CACHE_KEEP_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct entry;
struct row;
struct waiter;

/**
 * keep_begin(c, row, always, w, ret):
 * The object of file ${row} is about to be removed or replaced: if it is open,
 * make all of it local, and keep it from eviction; what can never fit goes, and
 * the log is told.  Where the bucket keeps versions it stays in S3, and nothing
 * is fetched.  Who opens it from now on, while not all is here, waits for
 * keep_end().
 * ${always}: also of a version of which nothing is here or open.
 * Locks:   none is held.
 * Memory:  ${*ret} is a reference, or NULL: keep_end().
 * Returns: 0 (also if it is not open, or can never fit); -ENOSPC there is no
 *     room for it now; -EIO; -EINTR.
 */
int keep_begin(struct cache *c, const struct row *row, bool always,
    struct waiter *w, struct entry **ret);

/* It is over: it has no name any more (abandon.h), or is as before.  NULL is
 * fine. */
void keep_end(struct entry *e);

/* Likewise of files that have no name any more, but whose object is the one of
 * ${key} still: they were renamed and removed before S3 knew of either. */
int keep_open_key(struct cache *c, const char *key, struct waiter *w);

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
