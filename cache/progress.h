/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.h - how far the renames of directories are, for people.
 *
 * Threads: any; who renames counts, others look.  Locks: a leaf.
 */
#ifndef CACHE_PROGRESS_H
#define CACHE_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/base/list.h"
#include "s3/base/lock.h"

enum progress_stage {
	PROGRESS_COPYING,
	PROGRESS_DELETING, /* of what was copied */
	PROGRESS_UNDOING   /* it failed: the copies are deleted */
};

/* One rename; its owner's, and looked at between begin and end. */
struct progress {
	struct list link;     /* [lock] */
	const char *from;     /* [I] borrowed: what keys begin with */
	const char *to;       /* [I] likewise */
	_Atomic int stage;    /* enum progress_stage */
	_Atomic uint64_t all; /* objects */
	_Atomic uint64_t copied;
	_Atomic uint64_t deleted;
};

/* All of a cache. */
struct progresses {
	struct lock lock;
	struct list all; /* [lock] struct progress */
};

void progresses_init(struct progresses *t);
void progresses_fini(struct progresses *t); /* there is none */

/* Both keys are borrowed until progress_end(). */
void progress_begin(
    struct progresses *t, struct progress *p, const char *from, const char *to);

/* One that was not begun (all zero) is fine. */
void progress_end(struct progresses *t, struct progress *p);

/* "copying", "deleting", "undoing"; static. */
const char *progress_stage_name(const struct progress *p);

/* Called for each, under the lock; false: stop. */
typedef bool progress_fn(void *arg, const struct progress *p);

void progresses_each(struct progresses *t, progress_fn *fn, void *arg);

static inline void
progress_stage(struct progress *p, enum progress_stage stage)
{
	atomic_store_explicit(&p->stage, (int)stage, memory_order_relaxed);
}

#endif
