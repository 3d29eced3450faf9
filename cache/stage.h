/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage.h - a file that the cache has no room for: what it is so far goes to
 * S3 before it is closed, under a key of our own.
 *
 * When all that is in the cache folder is unsent, and a program needs room to
 * write, the file with most unsent bytes is *staged*: what it is at that moment
 * goes up, whole, as the object PREFIX.pailfs/OWNER/stage/TOKEN.  That is its
 * base from then on, as another file's object is that of a clone (clone.h): its
 * bytes here are clean and may be evicted, reads fetch them from there, what is
 * changed lies over it, and the next upload of the file, be it to stage it once
 * more or because it is closed, is copied from there by S3 where nothing was
 * changed.  Under its own name nothing is seen of it before it is closed.
 *
 *	chunk file	base		dirty
 *	before		of the object	all that was written
 *	staged		TOKEN		nothing: all of it may go
 *	written		TOKEN		what was written since
 *	closed		of the object	nothing, and TOKEN is deleted
 *
 * A staging object is noted in the database before it is made (db_stage.h).
 * The *sweep* deletes each that is nobody's base any more: neither by a row of
 * the database nor by an entry in memory.  So it goes after the upload, after
 * the next stage, with the file itself, when the loser of a conflict, which has
 * the same base, was sent, and, what a kill left, at the next mount.  What S3
 * did not delete is tried again each minute.
 *
 * OWNER is a random word of the cache folder: no mount touches another's.
 *
 * Threads: any; files are staged, and the sweep runs, on writeback.h's.
 */
#ifndef CACHE_STAGE_H
#define CACHE_STAGE_H

#include <stdbool.h>

/* Opaque types. */
struct cache;
struct entry;
struct stages;

int stages_new(struct cache *c, struct stages **ret);

/* Nothing is posted any more; what is to be deleted waits for stages_end().
 * NULL is fine, as in all of these. */
void stages_stop(struct stages *s);

/* No entry is in memory: sweep, if that was asked for since.  Waits for S3. */
void stages_end(struct stages *s);
void stages_free(struct stages *s);

/* Whether ${key} is one of our staging objects. */
bool stage_has_key(const struct cache *c, const char *key);

/**
 * stage_hurry(c):
 * Room is needed, and no upload is under way: stage the file that has most
 * unsent bytes, if S3 answers; evict_for_write() waits for it.  Locks: none.
 * Returns: false: there is none that could be.
 */
bool stage_hurry(struct cache *c);

/**
 * stage_now(e, is_whole):
 * Stage ${e} here and now.  The caller has marked its key busy, entered
 * (parts_enter()) and frozen it.
 * ${is_whole}: all of it is here, and its base is not to be asked.
 * Locks: none is held.
 * Returns: 0; -ESTALE its base cannot be had; -ENAMETOOLONG; -errno.
 */
int stage_now(struct entry *e, bool is_whole);

/**
 * stage_clone(e, key):
 * Stage ${e}, if its bytes lie under ${key} still, which the caller has marked
 * busy.  It does not wait for the key of ${e}, whose holder may wait for
 * ${key}.
 * Locks: none is held.
 * Returns: as stage_now().
 */
int stage_clone(struct entry *e, const char *key);

/* Something is perhaps nobody's base any more.  Locks: any but leaves. */
void stage_sweep(struct cache *c);

/* Called now and then: what the sweep could not delete is tried again. */
void stages_tick(struct cache *c);

#endif
