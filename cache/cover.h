/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cover.h - bytes of a file that are safe in the local store, and owed to S3.
 *
 * They are *covered* when the facts of the chunk file and an intent are
 * committed: the file is sent then, whatever becomes of this process.  It is
 * due after write_delay, and closes until then fold into one upload.  What is
 * written to it meanwhile is not covered: a file that is being written waits
 * for the next close, which then starts the upload at once.  One that no
 * program can write any more is sent as it is.
 */
#ifndef CACHE_COVER_H
#define CACHE_COVER_H

#include <stdbool.h>

/* Opaque types. */
struct cache;
struct entry;

/* Whether ${e} has bytes that S3 has not, and that are not covered.  Locks: the
 * entry's is held. */
bool cover_is_needed(const struct entry *e);

/* Cover them, and see that they are sent.  Locks: likewise.
 * Returns: 0; -ESTALE the row is gone; -errno. */
int cover_locked(struct entry *e);

/* Likewise, but they are not sent before somebody asks for it. */
int cover_commit_locked(struct entry *e);

/* Whether what ${e} owes may be published now: no program is in the middle of
 * it, or somebody waits for what there is.  Locks: the entry's is held. */
bool cover_may_send(const struct entry *e);

/* The time of ${e} has come: send it if it may be.  Locks: none; likewise. */
void cover_due(struct entry *e);
void cover_due_locked(struct entry *e);

/* The flush of ${e} was asked for, and is left to the next mount, which finds
 * it covered.  On the pool.  Locks: none. */
void cover_leave(struct entry *e);

/**
 * cover_hurry(c, again):
 * Room is needed: send what is covered and waits for its time; ${again}: what
 * failed before, too.  Locks: none.
 * Returns: whether there is any.
 */
bool cover_hurry(struct cache *c, bool again);

#endif
