/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conflict.h - the loser of a conflict is kept beside the winner.
 */
#ifndef CACHE_CONFLICT_H
#define CACHE_CONFLICT_H

/* Opaque types. */
struct entry;

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
