/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unfinished.h - bytes that no close had covered when the last run was killed.
 *
 * They become a file of their own, NAME.unfinished-HOST-TIME, which is sent
 * like any other; NAME is as S3 has it.  What of the object they lie over is
 * not here, S3 copies.  Nothing was written: then there is nothing to keep.
 *
 * Locks: none.  No network.
 */
#ifndef CACHE_UNFINISHED_H
#define CACHE_UNFINISHED_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct change;

/**
 * unfinished_keep(ch, ret_id, ret_gone):
 * Within the change of its row: give the bytes a file of their own, or let go
 * of them.  ${*ret_id}: the row of that file, if it is another; 0.
 * ${*ret_gone}: nothing is left of the row: the caller removes it.
 * Returns: 0; -errno.
 */
int unfinished_keep(struct change *ch, uint64_t *ret_id, bool *ret_gone);

/**
 * unfinished_split(ch, snapshot, ret_id):
 * Likewise, where what a close had covered is in chunk file ${snapshot}
 * (snapshot.h): that is the row's from now on, and owed still.  ${*ret_id}: the
 * row of what was changed since; 0: none.
 * Returns: 0; 1 there is no such file; -errno.
 */
int unfinished_split(struct change *ch, uint64_t snapshot, uint64_t *ret_id);

#endif
