/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running.h - the operations under way that may wait, so that all of them can
 * be told to wait no longer when the mount ends.
 *
 * Locks: one, taken alone, above the waiters'.  Threads: any.
 */
#ifndef FS_RUNNING_H
#define FS_RUNNING_H

#include <stdbool.h>

#include "s3/base/list.h"
#include "s3/base/lock.h"

struct waiter;

struct running {
	struct lock lock;
	struct list list; /* [lock] struct runner */
	bool is_ending;   /* [lock] nothing may wait any more */
};

struct runner {
	struct list link;      /* [running->lock] */
	struct waiter *waiter; /* [I] */
};

void running_init(struct running *g);
void running_fini(struct running *g);

/* ${one} waits with ${w}; the end of both comes after running_remove(). */
void running_add(struct running *g, struct runner *one, struct waiter *w);
void running_remove(struct running *g, struct runner *one);

/* Interrupt those that run, and from now on each that is added. */
void running_end(struct running *g);

#endif
