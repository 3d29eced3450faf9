/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nameless.h - versions whose name our own hand took away.
 *
 * Who has a file or directory open when it is removed, or replaced by a
 * rename, goes on with it as on a disk; and who has just looked it up may still
 * open it: the kernel, whose path walk met it before it went.  Its row is gone
 * from the database, but a copy stands here, and whatever is set goes into
 * that.  If all bytes of a file are here, the entry is held, too.  Both go when
 * the caller forgets the node (cache_forget()).
 *
 * Order: a row is added in the transaction that removes it, so who asks the
 * database first, and then here, always finds it.
 *
 * Threads: any.  Locks: a leaf.
 */
#ifndef CACHE_NAMELESS_H
#define CACHE_NAMELESS_H

#include <stdint.h>

/* Opaque types. */
struct cache;
struct entry;
struct nameless;
struct row;

int nameless_new(struct nameless **ret);
void nameless_free(struct nameless *t); /* nothing holds an entry; NULL: fine */

/* Within the transaction that removes ${row}: keep a copy, as NAME_GONE.
 * Returns: 0; -ENOMEM. */
int nameless_add(struct cache *c, const struct row *row);

/* The transaction has failed. */
void nameless_drop(struct cache *c, uint64_t node);

/* It was committed: entries in memory go on without a name.  A node that
 * nobody has looked up is forgotten.  Locks: none is held. */
void nameless_begin(struct cache *c, uint64_t node);

/* Hold ${e}, whose bytes are all here; takes a reference.  Locks: as above. */
void nameless_hold(struct cache *c, struct entry *e);

/* Its row.  Memory: ${ret} (empty) is owned: row_fini().
 * Returns: 0; -ENOENT it is none; -ENOMEM. */
int nameless_row(struct cache *c, uint64_t node, struct row *ret);

/* Change its row by ${fn}(arg, row), which may not wait.
 * Returns: what that does; -ENOENT it is none. */
typedef int nameless_fn(void *arg, struct row *row);
int nameless_change(struct cache *c, uint64_t node, nameless_fn *fn, void *arg);

/* All are forgotten.  Locks: none is held. */
void nameless_forget_all(struct cache *c);

#endif
