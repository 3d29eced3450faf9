/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make.h - new entries.
 */
#ifndef CACHE_MAKE_H
#define CACHE_MAKE_H

#include "cache/cache.h"
#include "cache/db.h"

/**
 * make_file(c, parent, name, what, w, ret):
 * A row for a new, empty regular file: CREATING, METADIRTY and DIRTY; nothing
 * is sent.  Looks first whether there is one of that name (0 requests where
 * the directory was listed within the ttl).
 * Memory:  ${ret} is owned: row_fini().
 * Returns: 0; -EEXIST, and ${ret} is that one; as cache_make().
 */
int make_file(struct cache *c, uint64_t parent, const char *name,
    const struct cache_new *what, struct waiter *w, struct row *ret);

/* What is owed for row ${id}, which is new, or a directory that is to get its
 * marker: results of owed.h. */
int make_owed(struct cache *c, uint64_t id);

#endif
