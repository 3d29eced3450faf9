/* SPDX-License-Identifier: Apache-2.0 */
/*
 * removal.h - how a name that is hidden is removed from S3, or comes back.
 *
 * The state of its row is DELETING, or DELETE_SENT.  Who waits for S3
 * (remove.c) and who finds an intent later (owed.h) do the same:
 *
 *	r = removal_send(...);		open versions kept, DELETE_SEND, DELETE,
 *					and on success DELETE_OK: no row any
 *more if (r < 0) removal_undo(...);	it was refused: the name is back
 */
#ifndef CACHE_REMOVAL_H
#define CACHE_REMOVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/db.h"

/* Opaque types. */
struct cache;
struct owed_delete;
struct waiter;

/**
 * removal_send(c, row, key, etag, w):
 * Delete what makes ${row}: the object ${key}, on condition of ${etag}, or a
 * directory's markers.  Its key is busy.
 * Returns: 0; -ESTALE there is another; -ENOTEMPTY; -EACCES; -errno.
 */
int removal_send(struct cache *c, const struct row *row, const char *key,
    const char *etag, struct waiter *w);

/* S3 has it no more.  Of a directory with names that came back: so does it. */
int removal_finish(struct cache *c, const struct row *row);

/* It is not removed, for ${why}: the name is back; what is not known for sure
 * is looked at anew. */
void removal_undo(struct cache *c, const struct row *row, int why);

/* A name that is owed a DELETE keeps it: as S3 has it, which the next look
 * tells, or, where another entry has the name by now, not at all. */
int removal_show(struct cache *c, const struct row *row);

/* What is owed for row ${id}, which is hidden: results of owed.h. */
int removal_owed(struct cache *c, uint64_t id);

/* Likewise of several: one request, as far as that can be. */
void removal_owed_all(struct cache *c, struct owed_delete *list, size_t count);

/* ---- private to removal*.c ---- */

/* What the DELETE of ${row}, which is owed, ended with: ${r}.  Its key is busy.
 * Returns: 0 it is gone; -errno, and it is back, or (transient) still owed. */
int removal_settle(struct cache *c, const struct row *row, const char *key,
    const char *etag, int r);

/* Whether a file that is to be written takes the name, and with it the place
 * of the object. */
bool removal_is_held(struct cache *c, const struct row *row);

#endif
