/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - one thread for what nobody waits for: answers that came to the
 * net thread and end in the database, and a tick for what is written lazily.
 *
 * Jobs run in the order posted and may use the database and the chunk files,
 * but not wait for the network.
 */
#ifndef CACHE_WORKER_H
#define CACHE_WORKER_H

#include "s3/base/list.h"

struct worker;

/* Part of what the job is about; valid until run() was called. */
struct job {
	struct list link; /* [worker] */
	void (*run)(struct job *job);
};

/* ${tick}(${arg}) is called about every ${tick_ms} milliseconds. */
int worker_start(
    void (*tick)(void *arg), void *arg, unsigned tick_ms, struct worker **ret);

/* Run what was posted, end the thread.  NULL is fine. */
void worker_stop(struct worker *w);

/* Threads: any, also the net thread.  Locks: a leaf. */
void worker_post(struct worker *w, struct job *job);

#endif
