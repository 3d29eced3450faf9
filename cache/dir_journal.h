/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_journal.h - the rename of a directory, in the database, so that it can be
 * ended after a crash.
 *
 * Both markers' keys, and for each object its old key, the ETag of what is
 * copied, and the copy's: db_journal.h.
 *
 *	state 0, COPYING	From before the first copy.  The rows are under
 *		the old name, and nothing was deleted: the end is that all
 *		copies go again (the program was told that it failed, or died).
 *		Hidden: the new name, where there was none.
 *	state 1, DELETING	From the transaction in which the rows moved on:
 *		all is there under the new name; the end is that all that was
 *		copied is deleted under the old one.  Hidden: the old name.
 *
 * A row of an object is right before it is copied; only the ETag of a copy of
 * which it is another than the original's follows when the answer is there.
 *
 * Threads: who renames.  Locks: none, or a transaction, as said.
 */
#ifndef CACHE_DIR_JOURNAL_H
#define CACHE_DIR_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct mover;
struct rename;
struct row;

/* Of one rename. */
struct dir_journal {
	const struct rename *rename; /* borrowed */
	struct mover *mover;         /* borrowed: what is moved */
	uint64_t id;                 /* 0: not begun */
	uint64_t hidden; /* id of a row that hides the new name, and goes with
			    the commit; 0: none */
	bool is_back;    /* hidden is another's: ends are, too */
	uint64_t ends;   /* id of the journal that ends with the commit */
};

/* The list is made: note all of that, and hide the new name. */
int dir_journal_begin(struct dir_journal *j);

/* Within the transaction of the commit: ${stub} hides the old name now. */
int dir_journal_commit(struct dir_journal *j, const struct row *stub);

/**
 * dir_journal_end(c, id, hidden, r):
 * It is over, and forgotten.  The name that row ${hidden} (0: none) hides is
 * not there (${r} 0), or is looked at before it is believed.  If the database
 * fails, that is said, and the next mount ends it.
 */
void dir_journal_end(struct cache *c, uint64_t id, uint64_t hidden, int r);

/* One that was left. */
struct dir_saved {
	uint64_t id;
	uint64_t hidden;
	bool is_committed;
	char *key;     /* owned: the old one */
	char *new_key; /* owned */
	char *from;    /* owned: likewise, without their '/' */
	char *to;      /* owned */
};

void dir_saved_fini(struct dir_saved *s);

/* Called for each; what it takes out of ${s} is its own; false: stop. */
typedef bool dir_saved_fn(void *arg, struct dir_saved *s);

int dir_journal_each(struct cache *c, dir_saved_fn *fn, void *arg);

/* The one of ${id}, as it is now; -ENOENT. */
int dir_journal_get(struct cache *c, uint64_t id, struct dir_saved *ret);

/* Its objects, all MOVED_LISTED, into ${ret}, which is empty. */
int dir_journal_load(struct cache *c, uint64_t id, struct mover *ret);

#endif
