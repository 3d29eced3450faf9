/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync.h - what a close and an fsync of a file wait for, as sync= says: until
 * S3 has it (upload.h), or until it is safe in the local store (cover.h).
 *
 * Locks: none is held.
 */
#ifndef CACHE_SYNC_H
#define CACHE_SYNC_H

#include <stdbool.h>

/* Opaque types. */
struct cache;
struct entry;
struct waiter;

/* What close(2) of ${e} waits for.  A clone, whose bytes are another object's,
 * is S3's in any case.  Returns: 0; as upload_flush(). */
int sync_close(struct entry *e, struct waiter *w);

/* What fsync(2) waits for, but for attributes: with sync=local they are on the
 * disk, too.  Returns: 0; as upload_flush(). */
int sync_file(struct entry *e, struct waiter *w);

/* Whether fsync(2) leaves S3 alone. */
bool sync_is_local(const struct cache *c);

/* A handle of ${e} is gone; stores through a mapping may have come after its
 * close(2): see to what no call has covered. */
void sync_release(struct entry *e);

#endif
