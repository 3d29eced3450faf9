/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_finish.h - one rename of a directory that was left is finished, or
 * undone, by what its journal and S3 say.
 *
 * Finished: what was copied is deleted under its old key, if it has the ETag
 * that was copied, and something is under the new one.  Undone: a copy is
 * deleted, if something is under the old key, and it is a copy of that: it has
 * the ETag that the journal says, or that of the original (that of the journal
 * or of now), or its token and size.  All else stays, and shows.
 */
#ifndef CACHE_DIR_FINISH_H
#define CACHE_DIR_FINISH_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct waiter;

/**
 * dir_finish(c, id, w):
 * End the rename of journal ${id}; both markers' keys are busy.
 * Returns: 0 it is over, whatever came of it (the log says so where something
 *     is left); -errno: not now, it may be tried again.
 */
int dir_finish(struct cache *c, uint64_t id, struct waiter *w);

/* Whether it may help to try again after ${err}: it is no refusal. */
bool dir_finish_later(int err);

#endif
