/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename.h - private to rename*.c: one rename under way.
 */
#ifndef CACHE_RENAME_H
#define CACHE_RENAME_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/db.h"

/* Opaque types. */
struct cache;
struct change;
struct waiter;

struct rename {
	struct cache *cache;
	struct row dir;       /* owned; the directory that is left */
	struct row new_dir;   /* owned */
	const char *new_name; /* borrowed */
	struct row from;      /* owned; what moves */
	struct row to;        /* owned; what it replaces, if has_to */
	bool has_to;
	char *key;      /* owned: of from */
	char *new_key;  /* owned */
	int64_t now_ns; /* wall clock: the ctime it gets */
};

/* Rename file m->from.  -ESTALE: S3 had something else there; it was noted, so
 * that the next look finds it. */
int rename_file(struct rename *m, struct waiter *w);

/* Likewise, where S3 is told later; rows of which something is not settled are
 * renamed as above. */
int rename_later(struct rename *m, struct waiter *w);

/* The COPY that row ${id}, in MOVING, is owed: results of owed.h. */
int rename_owed(struct cache *c, uint64_t id);

/**
 * rename_dir(m, w):
 * Rename directory m->from.  What m->to was (an empty directory) is replaced.
 * Until the row has moved, nothing is deleted: whatever fails before, an
 * interrupt too, leaves all as it was, and the copies are removed again.  So
 * does a delete that is refused, as far as that can be put back.  progress.h
 * tells how far it is.
 * Returns: 0; -ENAMETOOLONG a key would have more than 1024 bytes: found before
 *     anything is copied; -ESTALE; -EBUSY what is below changes again and
 *     again; -EACCES ...
 */
int rename_dir(struct rename *m, struct waiter *w);

/* Read both rows again, now that their keys are busy: -ESTALE. */
int rename_reread(struct rename *m);

/**
 * rename_begin(m, ret):
 * change_begin() of the row that moves, if both keys are what they were and
 * the new name is what it was: -ESTALE.  Its ctime is that of the rename.
 */
int rename_begin(struct rename *m, struct change *ret);

/**
 * rename_move(m, ch, stub):
 * Within that: what has the new name goes (a file is only hidden, until
 * rename_end() or rename_back()), the row takes it, and ${stub} (its
 * attributes are set; NULL: none) keeps the old one until what S3 has there is
 * deleted.  Sets stub->id.
 */
int rename_move(struct rename *m, struct change *ch, struct row *stub);

/**
 * rename_end(m, stub, r):
 * The DELETE of a file is over, with ${r}: the row stays where it is, the stub
 * (NULL: there was none) goes, and so does a file that was replaced.  What
 * could not be deleted is said in the log, and its name is back.
 */
void rename_end(struct rename *m, const struct row *stub, int r);

/* Within a transaction, likewise, but only the stub of ${id} is seen to, and
 * nothing is said. */
int rename_end_stub(struct cache *c, uint64_t id, int r);

/* Within a transaction: hide the name that ${stub} has (its parent and kind
 * are set, too), as one whose DELETE is on its way.  Sets stub->id. */
int rename_put_stub(struct cache *c, struct row *stub);

/**
 * rename_back(m, ch, stub, is_lost):
 * Instead, within change_begin() of the row that moved: it has the old name
 * again, and what was hidden the new one.  ${is_lost}: the object of that was
 * replaced.
 * Returns: 0; -EEXIST, -ESTALE another has the old name by now; -errno.
 */
int rename_back(
    struct rename *m, struct change *ch, const struct row *stub, bool is_lost);

#endif
