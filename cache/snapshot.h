/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h - bytes that a close covered, set aside while the file changes.
 *
 * What was covered (cover.h) and is not in S3 yet is promised.  The file has
 * one chunk file; so before a program changes that, what is dirty of it is
 * copied to another, the *snapshot*.  It is what the file is after a kill
 * (recover.c), and what was changed since is kept beside (unfinished.h).  When
 * a newer generation is covered, or leaves for S3, the snapshot goes: without a
 * kill nothing reads it.
 *
 * Locks: the entry's is held.
 */
#ifndef CACHE_SNAPSHOT_H
#define CACHE_SNAPSHOT_H

#include <stdint.h>

/* Opaque types. */
struct cache;
struct entry;

/* How many bytes the next change of ${e} copies first; 0: none. */
uint64_t snapshot_room_locked(const struct entry *e);

/* ${e} is about to be changed: set aside what is promised, if that is needed.
 * Returns: 0; -errno: it must not be changed. */
int snapshot_take_locked(struct entry *e);

/* Another generation of ${e} takes its place: within that transaction, and
 * after it. */
int snapshot_drop_locked(struct entry *e);
void snapshot_over_locked(struct entry *e);

/* The chunk file of that of row ${id}: 0; -ENOENT: there is none; -errno.
 * Locks: none needed. */
int snapshot_find(struct cache *c, uint64_t id, uint64_t *ret_node);

#endif
