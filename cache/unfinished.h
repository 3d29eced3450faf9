/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unfinished.h - bytes that no close had covered when the last run was killed,
 * and those that one had covered, but that are not whole any more.
 *
 * They become a file of their own, NAME.unfinished-HOST-TIME, which is sent
 * like any other; NAME is as S3 has it.  What of the object they lie over is
 * not here, S3 copies.  Nothing was written: then there is nothing to keep.
 *
 * A close had covered them, and some are lost (facts.h): likewise, but the file
 * is NAME.partial-HOST-TIME, the lost ones are zeros in it, and its attribute
 * user.pailfs.missing lists them, as in the loser of a conflict.
 *
 * Locks: none.  No network.
 */
#ifndef CACHE_UNFINISHED_H
#define CACHE_UNFINISHED_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct change;
struct facts;

/**
 * unfinished_keep(ch, ret_id, ret_gone):
 * Within the change of its row: give the bytes a file of their own, or let go
 * of them.  ${*ret_id}: the row of that file, if it is another; 0.
 * ${*ret_gone}: nothing is left of the row: the caller removes it.
 * Returns: 0; -errno.
 */
int unfinished_keep(struct change *ch, uint64_t *ret_id, bool *ret_gone);

/**
 * unfinished_split(ch, snapshot, ret_facts, ret_id):
 * Likewise, where what a close had covered is in chunk file ${snapshot}
 * (snapshot.h): that is the row's from now on, and owed still.  ${ret_facts}:
 * of it; owned: facts_fini(), also on failure.  ${*ret_id}: the row of what was
 * changed since; 0: none.
 * Returns: 0; 1 there is no such file; -errno.
 */
int unfinished_split(struct change *ch, uint64_t snapshot,
    struct facts *ret_facts, uint64_t *ret_id);

/**
 * unfinished_partial(ch, facts, ret_id):
 * Within the change of its row: of what a close had covered of it some is lost,
 * as ${facts}, of its chunk file, say.  That file belongs to the row of what is
 * left from then on, and facts_reach() is due, when the change is committed.
 * ${*ret_id}: that row, if it is another; 0.
 * Returns: 0; -errno.
 */
int unfinished_partial(
    struct change *ch, struct facts *facts, uint64_t *ret_id);

#endif
