/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conflict.h - the loser of a conflict is kept beside the winner.
 */
#ifndef CACHE_CONFLICT_H
#define CACHE_CONFLICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct buf;
struct entry;

/**
 * conflict_name(name, what, host, wall_ns, ret):
 * Append "NAME.WHAT-HOST-TIME" (TIME: 20261121T070809Z), the stem shortened,
 * whole characters, so that it fits 255 bytes.  ${what}: "conflict",
 * "partial", ...  Pure.
 */
int conflict_name(const char *name, const char *what, const char *host,
    int64_t wall_ns, struct buf *ret);

/**
 * conflict_keep(e):
 * S3 has a version that is neither ours nor our base: store the bytes of ${e}
 * as a file of its own beside it, in S3, too; where bytes of the base can not
 * be had any more, as "partial", with holes in their place, and their ranges
 * in the metadata.  Then ${e} is a version that is superseded: its name is
 * the winner's, its open files get -ESTALE.
 * Locks:   none; the key is marked busy; the file is frozen.
 * Returns: 0; -errno: it is not kept yet; ${e} stays in CONFLICT.
 */
int conflict_keep(struct entry *e);

#endif
