/* SPDX-License-Identifier: Apache-2.0 */
/*
 * treelock.h - renames of directories one of which is within another.
 *
 * Such a rename copies and deletes keys that it does not mark busy
 * (dir_move.h). Two of which one moves from or to what the other moves, too, go
 * one after the other, in the order in which they came; others at the same
 * time.
 *
 * Threads: any but the net thread.  It is taken before any key is marked busy.
 * Locks: a leaf, held for a moment.
 */
#ifndef CACHE_TREELOCK_H
#define CACHE_TREELOCK_H

#include "s3/base/list.h"
#include "s3/base/lock.h"

/* Opaque types. */
struct waiter;

struct treelocks {
	struct lock lock;
	struct list all;     /* [lock] struct treelock, first come first */
	struct list waiters; /* [lock] */
};

/* One rename; on its owner's stack. */
struct treelock {
	struct list link; /* [lock] of all */
	const char *from; /* borrowed, with its '/' */
	const char *to;   /* likewise */
};

void treelocks_init(struct treelocks *t);
void treelocks_fini(struct treelocks *t); /* there is none */

/**
 * treelock_take(t, from, to, w, ret):
 * Wait until all that came before, and overlap, are over.
 * ${ret} stays where it is until treelock_drop().
 * Returns: 0: treelock_drop(${ret}); -EINTR (${w} may be NULL).
 */
int treelock_take(struct treelocks *t, const char *from, const char *to,
    struct waiter *w, struct treelock *ret);

void treelock_drop(struct treelocks *t, struct treelock *k);

#endif
