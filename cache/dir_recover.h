/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_recover.h - renames of directories that did not come to their end: after
 * a crash, or because S3 did not answer.  They are ended behind everybody's
 * back: undone, if nothing had been deleted yet, else finished; see
 * dir_journal.h.
 *
 * Meanwhile both markers' keys are busy and a row hides the name that is not
 * to be seen, as while a rename goes on.
 *
 * Nothing is deleted that is not there under the other name, too, in the
 * version that was copied: what others did in the meantime stays.
 *
 * Threads: any; one of its own does the work, while there is any.
 */
#ifndef CACHE_DIR_RECOVER_H
#define CACHE_DIR_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct dir_job;
struct dir_recover;
struct waiter;

int dir_recover_new(struct cache *c, struct dir_recover **ret);

/* Ask for an end, and wait for it: what is left is left to the next mount.
 * NULL is fine. */
void dir_recover_stop(struct dir_recover *d);
void dir_recover_free(struct dir_recover *d);

/* What the database has from before is marked busy, and begun with; asks
 * nothing of S3 itself.  Called before anything else may change names. */
int dir_recover_start(struct cache *c);

/* Whether row ${id} hides a name, and is to stay: it is no unlink's. */
bool dir_recover_hides(struct cache *c, uint64_t id);

/**
 * dir_recover_wait(c, w, ret_left):
 * Try all that is left now, and wait for the end of that.  ${*ret_left}: how
 * many are left still; each was named in the log.  Returns: 0; -EINTR.
 */
int dir_recover_wait(struct cache *c, struct waiter *w, uint64_t *ret_left);

/* ---- for rename_dir.c ---- */

/**
 * dir_job_new(c, key, new_key, w, ret):
 * Mark both markers' keys busy.  Memory: ${*ret} is owned: dir_job_free(), or
 * dir_recover_add().  Returns: 0; -EINTR; -ENOMEM.
 */
int dir_job_new(struct cache *c, const char *key, const char *new_key,
    struct waiter *w, struct dir_job **ret);

/* They are not busy any more. */
void dir_job_free(struct cache *c, struct dir_job *job);

/* The rename of journal ${id} could not be ended now, because of ${why}: it
 * is tried again.  Takes ${job}, which may be NULL, if another one has the
 * keys. */
void dir_recover_add(
    struct cache *c, struct dir_job *job, uint64_t id, int why);

#endif
