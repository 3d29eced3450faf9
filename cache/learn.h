/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn.h - headers of an object that were never asked for, before they are
 * written over.
 *
 * What a listing told has none (ROW_ATTRS_NONE).  A request that stores the
 * object again replaces them all: so they are asked for first, by a HEAD, or
 * taken from the answer to a GET of the same version, if there was one.  What
 * was set here meanwhile (a row in METADIRTY, a file that was written) stays.
 */
#ifndef CACHE_LEARN_H
#define CACHE_LEARN_H

#include <stdint.h>

#include "cache/db.h"

/* Opaque types. */
struct cache;
struct entry;
struct s3_object;
struct waiter;

/**
 * learn_row(c, row, w):
 * Have the headers of ${row} known, if S3 has an object of it; they are about
 * to be changed by a program.
 * Returns: 0; -ENOENT it is gone (of a directory: 0, it needs none); -errno.
 */
int learn_row(struct cache *c, const struct row *row, struct waiter *w);

/**
 * learn_version(e, key, etag, since_ms, row):
 * Likewise of ${e}, whose object lies under ${key}, with ${etag} (NULL: it has
 * none): in ${row}, a copy of its row, and in the database.  What a GET said is
 * as good if it did so after ${since_ms} (cache clock), or within the ttl.
 * Locks:   none is held.
 * Returns: 0; 1: likewise, and a HEAD said just now that the version is there;
 *     -ESTALE another is there: the headers of that are known then; -ENOENT
 *     none is; -errno.
 */
int learn_version(struct entry *e, const char *key, const char *etag,
    int64_t since_ms, struct row *row);

/* A GET of bytes of ${e}, under ${key}, is answered with ${object}: keep what
 * it says, in case that is wanted.  Locks: the entry's is held. */
void learn_hear_locked(
    struct entry *e, const char *key, const struct s3_object *object);

#endif
