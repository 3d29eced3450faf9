/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owed_table.h - private to owed*.c: what is owed, and when it is looked at.
 */
#ifndef CACHE_OWED_TABLE_H
#define CACHE_OWED_TABLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/db.h"
#include "cache/task.h"
#include "s3/base/list.h"
#include "s3/base/lock.h"
#include "s3/base/map.h"
#include "s3/base/wait.h"

/* Opaque types. */
struct owed_ops;
struct tasks;

#define OWED_THREADS 20 /* and tasks that are posted, at most */

/* One intent. */
struct debt {
	struct list link; /* [lock] of all, in the order they came */
	struct task task;
	struct owed *owed;
	uint64_t id;
	uint64_t number;       /* [I] the first has 1 */
	uint64_t dir;          /* [lock] that it shows in */
	enum intent_kind kind; /* [lock] */
	int64_t due_ms;        /* [lock] monotonic */
	int64_t again_ms;      /* [lock] not before this, by the real clock */
	unsigned errors;       /* [lock] in a row */
	unsigned laters;       /* [lock] likewise: it was not its turn */
	uint64_t failed;       /* [lock] the count of runs when it failed */
	uint64_t held;         /* [lock] likewise, when it was held */
	int err;               /* [lock] of the last run */
	bool is_running;       /* [lock] */
	bool is_single;        /* [lock] */
};

/* A directory that is being renamed. */
struct moving {
	struct list link;
	uint64_t id;
};

struct owed {
	struct cache *cache;        /* [I] */
	const struct owed_ops *ops; /* [I] */
	struct tasks *tasks;        /* [I] */
	struct lock lock;
	struct list all;    /* [lock] struct debt */
	struct map by_id;   /* [lock] of them */
	struct list idlers; /* [lock] struct waiter: until one is over */
	struct list moves;  /* [lock] struct moving */
	uint64_t added;     /* [lock] debts, ever */
	uint64_t runs;      /* [lock] that ended */
	uint64_t lost; /* [lock] the count of runs when one was taken back */
	uint64_t lost_dir; /* [lock] where */
	int lost_err;      /* [lock] and why */
	uint64_t refused;  /* [lock] how many, by S3 */
	int64_t wake_ms;   /* [lock] when the clock thread looks next */
	unsigned fresh;    /* [lock] DELETEs since the last were gathered */
	unsigned running;  /* [lock] tasks */
	bool is_stopping;  /* [lock] */
	pthread_t clock;
	bool has_clock;
	struct waiter tick; /* of the clock thread */
	_Atomic uint64_t count;
};

/* The clock of the cache, monotonic. */
int64_t owed_now_ms(const struct owed *o);

/* NULL: there is none of row ${id}. */
struct debt *owed_find_locked(struct owed *o, uint64_t id);
void owed_remove_locked(struct owed *o, struct debt *d);

/* Carry that of ${id}, which is marked as running, out, and note how that
 * ended: as owed_run(). */
int owed_carry_out(struct owed *o, uint64_t id, enum intent_kind kind);

/* On the pool: one that is marked as running. */
void owed_run_task(struct task *task);

#endif
