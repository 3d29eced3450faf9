/* SPDX-License-Identifier: Apache-2.0 */
/*
 * salvage.h - a damaged database goes aside, and with it what only it knew of.
 *
 *	damaged-TIME/meta.db*		as it was
 *	damaged-TIME/chunks/NODE	chunk files that may hold bytes that S3
 *					does not have
 *	damaged-TIME/LIST		a line each: NODE, a tab, the path, a
 *					tab, the size, a tab, the ranges that
 *					are not in S3 as OFFSET-END; "?" where
 *					that cannot be told
 *
 *	damaged-TIME/NAMES		names that S3 was not told of: see
 *					salvage_names.h; not there if none are
 *
 * The file `owing' lies in the cache folder from the start of a mount that may
 * write until one that ends with nothing owed: where it is missing, no chunk
 * file is worth keeping, and what the database says does not matter.
 *
 * Threads: the one that opens or closes the cache.
 */
#ifndef CACHE_SALVAGE_H
#define CACHE_SALVAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct cache;

/* Make `owing', or remove it. */
int salvage_set_owing(struct cache *c, bool owing);

/* Whether there is no database, but chunk files that may hold bytes that S3
 * does not have: it was lost.  It is not open. */
bool salvage_is_lost(struct cache *c);

/**
 * salvage_run(c, message, len):
 * Move the database, which is closed, and all that is owed aside, and remove
 * the other chunk files.
 * Returns: 0, with a line of what was done in ${message}; -errno.
 */
int salvage_run(struct cache *c, char *message, size_t len);

#endif
