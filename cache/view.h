/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - rows as callers see them: attributes, visibility, keys.
 */
#ifndef CACHE_VIEW_H
#define CACHE_VIEW_H

#include <stdbool.h>

#include "cache/db.h"
#include "s3/base/buf.h"

struct cache;
struct cache_attr;

/* Objects up to this size may be symlinks or special files (man page). */
#define VIEW_SMALL 4096

/* Whether callers see the row: not while it is deleted or not yet there. */
bool view_is_visible(const struct row *row);

/* Whether an intent is pending: observations leave the row alone. */
bool view_is_pending(const struct row *row);

/* What it is: a bit of S_IFMT; 0: not known. */
uint32_t view_type(const struct row *row);

/* Fill in all of ${ret}.  Of a directory, the database is asked. */
void view_attr(struct cache *c, const struct row *row, struct cache_attr *ret);

/* Append the key of the row (a directory's with its '/').  -ENAMETOOLONG,
 * -ESTALE: a directory above it is gone. */
int view_key(struct cache *c, const struct row *row, struct buf *ret);

/* Likewise, by its name, also where its base lies under another key. */
int view_name_key(struct cache *c, const struct row *row, struct buf *ret);

/* Append the prefix of directory ${id}: "" or "a/b/". */
int view_prefix(struct cache *c, uint64_t id, struct buf *ret);

/* The row of a directory node, which must be one. */
int view_dir(struct cache *c, uint64_t node, struct row *ret);

/**
 * view_check_key(c, row, key):
 * Whether ${row} has the key ${key} still, of a directory the prefix.  A row
 * that is not known yet has no id, but a parent and a name.
 * Returns: 0; -EAGAIN: it, or a directory above it, was renamed or went away;
 *     -errno.
 */
int view_check_key(struct cache *c, const struct row *row, const char *key);

#endif
