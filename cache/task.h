/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.h - what a thread of tasks.h runs once.
 */
#ifndef CACHE_TASK_H
#define CACHE_TASK_H

#include "s3/base/list.h"

/* Part of what the task is about; valid until run() was called. */
struct task {
	struct list link; /* [tasks] */
	void (*run)(struct task *task);
};

#endif
