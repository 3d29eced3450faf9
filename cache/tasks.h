/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tasks.h - threads that run tasks, which may wait for S3.
 *
 * They are started as there is work, and run tasks in the order in which they
 * were posted.  A task may wait for one that runs already; for one that is
 * posted only if that is another pool's, since all threads may be waiting.
 *
 * Threads: any.  Locks: a leaf.
 */
#ifndef CACHE_TASKS_H
#define CACHE_TASKS_H

#include "cache/task.h"

/* Opaque types. */
struct tasks;

/* ${max} threads, at most. */
int tasks_new(unsigned max, struct tasks **ret);

/* ${task} is the caller's, and is used until it is run. */
void tasks_post(struct tasks *t, struct task *task);

/* Run what was posted, and end the threads.  NULL is fine. */
void tasks_stop(struct tasks *t);
void tasks_free(struct tasks *t);

#endif
