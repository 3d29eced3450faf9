/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running.h - the operations under way that may wait, so that all of them can
 * be told to wait no longer: when the mount ends, or when their program is
 * asked to end (asked.h); for other signals they go on.  The kernel does not
 * tell of a second signal: so it is looked for now and then.
 *
 * Locks: one, taken alone, above the waiters'.  Threads: any.
 */
#ifndef FS_RUNNING_H
#define FS_RUNNING_H

#include <stdbool.h>
#include <sys/types.h>

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
	pid_t tid;             /* [I] who waits for it */
	bool had_signal;       /* [running->lock] and went on */
};

void running_init(struct running *g);
void running_fini(struct running *g);

/* ${one}, with tid set, waits with ${w}; the end of both comes after
 * running_remove(). */
void running_add(struct running *g, struct runner *one, struct waiter *w);
void running_remove(struct running *g, struct runner *one);

/* The kernel says that a signal came for ${one}. */
void running_signal(struct running *g, struct runner *one);

/* Once a second: those that had one may have got another one. */
void running_look(struct running *g);

/* Interrupt those that run, and from now on each that is added. */
void running_end(struct running *g);

#endif
