/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change.h - a change of our own to one row, as one transaction.
 *
 *	r = change_begin(c, id, &ch);
 *	if (r == 0) {
 *		change_bytes(&ch, BYTES_ON_FLUSH);	state tables, only here
 *		ch.row.size = size;			other columns
 *		r = change_end(&ch, 0);			commit
 *	}
 *
 * Between begin and end the db lock is held: no waiting, no other locks but
 * leaves.  change_end() notes the time, so that no observation that was asked
 * for before undoes it.
 */
#ifndef CACHE_CHANGE_H
#define CACHE_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/db.h"
#include "cache/state.h"

/* Opaque types. */
struct cache;

struct change {
	struct cache *cache;
	struct row row; /* owned; as it is, to be changed */
};

/* By id; -ENOENT: there is no such row any more (nothing was begun). */
int change_begin(struct cache *c, uint64_t id, struct change *ret);

/* By node, likewise. */
int change_begin_node(struct cache *c, uint64_t node, struct change *ret);

/* Store the row and commit if ${r} is 0, else roll back.  Returns ${r}, or
 * what that failed with. */
int change_end(struct change *ch, int r);

/* Likewise, but the row is removed; a tombstone keeps late observations from
 * bringing it back.  Rows below it go, too.  The versions that went go on
 * without a name (nameless.h). */
int change_end_remove(struct change *ch);

/* Whether the row lies under ${key} still: a directory above it may have been
 * renamed since that was made. */
bool change_has_key(const struct change *ch, const char *key);

void change_name(struct change *ch, enum state_name_event e);
void change_attrs(struct change *ch, enum state_attrs_event e);
int change_bytes(struct change *ch, enum state_bytes_event e); /* -ESTALE */

/**
 * change_insert(c, row):
 * Insert ${row}, whose parent, name, kind, states and attributes are set, with
 * a new id (and node), which are set in it.  A row of the same name in
 * NAME_GONE is replaced; one that is still being deleted stays beside it.
 * seen_ms is now, if it is 0, and the times of the directory are.
 * Returns: 0; -EEXIST callers see one of that name; -ENOENT, -ENOTDIR there is
 *     no such directory (any more).
 */
int change_insert(struct cache *c, struct row *row);

/* Likewise, within a transaction; a node that is set (not 0) stays, and so do
 * the directory's times. */
int change_insert_within(struct cache *c, struct row *row);

/* Likewise, with an intent of ${kind} (enum intent_kind), if such a change is
 * to be owed: ${*ret_owed}.  Then the caller tells owed_add(); else the
 * directory's times are left to it, too. */
int change_insert_owed(
    struct cache *c, struct row *row, int kind, bool *ret_owed);

/* Within a transaction: ${ch} has its new name and state, and a request of
 * ${kind} is owed for it. */
int change_owe(struct change *ch, int kind, uint64_t follows);

/* ---- for observe.c, too ---- */

/* When the row went: an observation asked for at seen_ms does not have it, or
 * we removed it ourselves at changed_ms. */
struct change_times {
	int64_t seen_ms;
	int64_t changed_ms; /* 0: not by our own hand */
};

/* Called for a row that goes: the row itself, and all files below it.
 * Returns: 0; -errno: stop with that. */
typedef int change_removed_fn(void *arg, const struct row *row);

/**
 * change_remove_row(c, row, times, fn, arg):
 * Within a transaction: remove ${row} and all below it, leave a tombstone.
 * Who calls supersedes the versions that ${fn} (NULL: there are none) was told
 * of, after the commit.
 */
int change_remove_row(struct cache *c, const struct row *row,
    const struct change_times *times, change_removed_fn *fn, void *arg);

#endif
