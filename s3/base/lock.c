/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.c - mutexes, and the one order in which they may be taken.
 */
#include <stdlib.h>

#include "s3/base/lock.h"

/* A failing mutex call is our own bug: there is nothing to go on with. */
static void
must(int r)
{
	if (r != 0)
		abort();
}

void
lock_init(struct lock *l)
{
	must(pthread_mutex_init(&l->mutex, NULL));
}

void
lock_fini(struct lock *l)
{
	must(pthread_mutex_destroy(&l->mutex));
}

void
lock_take(struct lock *l) LOCK_ATTR(no_thread_safety_analysis)
{
	must(pthread_mutex_lock(&l->mutex));
}

void
lock_drop(struct lock *l) LOCK_ATTR(no_thread_safety_analysis)
{
	must(pthread_mutex_unlock(&l->mutex));
}
