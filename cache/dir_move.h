/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_move.h - private to rename_dir.c and dir_move.c: the rows of a directory
 * that is renamed, and who writes below meanwhile.
 *
 * Marked busy are the keys of both markers; the keys below are as many as there
 * are objects.  Instead: who changes an object below marks its key busy, which
 * is watched from before the list (keywatch.h), and says in the row what is
 * under way (CREATING, DELETING, UPLOADING, SENDING) in a transaction in which
 * the row has the key that is busy for it.  So in the transaction of the commit
 * each key below was either left alone since the list, and its object was
 * copied; or it was busy since, its row was changed, or something of it is
 * under way: a *late* one.  Then nothing is moved yet: the keys of all late
 * ones are marked busy, in order, which waits for what is under way; they are
 * copied as they are now (or their copies removed), and the commit is tried
 * again.  Who comes after the commit finds another key than it has marked busy,
 * and begins anew.
 *
 * What is listed below the new name meanwhile are its copies: observe.c leaves
 * them alone, so that an empty directory which is replaced stays empty.
 *
 * Nobody who has a key below waits for one of a marker: no deadlock.
 */
#ifndef CACHE_DIR_MOVE_H
#define CACHE_DIR_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/dir_journal.h"
#include "cache/keywatch.h"
#include "cache/mover.h"
#include "cache/progress.h"

/* Opaque types. */
struct keylock;
struct rename;
struct row;
struct waiter;

/* On the stack of who renames. */
struct dir_move {
	struct rename *rename;
	struct mover mover;
	char *from;       /* owned: m->key without its '/' */
	char *to;         /* owned */
	int64_t since_ms; /* cache clock: from here on, changes are late */
	char **late;      /* owned, by name: keys */
	size_t late_count;
	size_t late_size;
	struct keylock *locks; /* owned: of the first lock_count of late */
	size_t lock_count;
	struct keywatch watch; /* of m->key */
	bool has_unsent;       /* entries below that S3 need not have */
	struct dir_journal journal;
	int64_t committed_ms; /* cache clock */
	int left;             /* why it did not come to its end; 0: it did */
	struct progress progress;
};

/* Of ${d}, rename is set, and nothing else need be: what keys begin with; from
 * now on late ones are noted.  Whatever it returns, dir_move_fini(). */
int dir_move_init(struct dir_move *d);

/* Mark all late ones busy, and copy what they are now. */
int dir_move_settle_late(struct dir_move *d, struct waiter *w);

/* Late ones are busy no more. */
void dir_move_drop_locks(struct dir_move *d);

/**
 * dir_move_commit(d, stub):
 * In one transaction: the row, and all below it, have the new name and what
 * was copied; ${stub} the old name.
 * Returns: 0; -EAGAIN there are late ones; -ENOTEMPTY; -ESTALE; -errno.
 */
int dir_move_commit(struct dir_move *d, struct row *stub);

/* What is open below reads and sends there from now on.  A copy of what was
 * uploaded by parts has another ETag. */
void dir_move_tell(struct dir_move *d);

void dir_move_fini(struct dir_move *d);

#endif
