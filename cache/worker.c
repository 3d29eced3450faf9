/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - one thread for what nobody waits for.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "cache/worker.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/wait.h"

struct worker {
	pthread_t thread;
	void (*tick)(void *arg); /* [I] */
	void *arg;               /* [I] */
	unsigned tick_ms;        /* [I] */
	struct waiter waiter;    /* woken by each post */
	struct lock lock;
	struct list jobs; /* [lock] */
	bool stopping;    /* [lock] */
};

/* The next job, or NULL; ${*ret_stop}: none will come. */
static struct job *
next_job(struct worker *w, bool *ret_stop)
{
	struct list *l;

	lock_take(&w->lock);
	l = list_pop(&w->jobs);
	*ret_stop = w->stopping;
	lock_drop(&w->lock);
	return l == NULL ? NULL : LIST_ENTRY(l, struct job, link);
}

static void *
run(void *arg)
{
	struct worker *w = arg;
	struct job *job;
	bool stop;
	int64_t next_tick = clock_mono_ms(&clock_system) + w->tick_ms;

	for (;;) {
		int64_t now = clock_mono_ms(&clock_system);

		if (now >= next_tick) {
			w->tick(w->arg);
			next_tick = now + w->tick_ms;
		}
		job = next_job(w, &stop);
		if (job != NULL)
			job->run(job);
		else if (stop)
			return NULL;
		else /* woken, or time for the tick */
			(void)waiter_wait(&w->waiter, next_tick - now);
	}
}

int
worker_start(
    void (*tick)(void *arg), void *arg, unsigned tick_ms, struct worker **ret)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (w == NULL)
		return -ENOMEM;
	w->tick = tick;
	w->arg = arg;
	w->tick_ms = tick_ms;
	list_init(&w->jobs);
	lock_init(&w->lock);
	waiter_init(&w->waiter);
	r = pthread_create(&w->thread, NULL, run, w);
	if (r != 0) {
		waiter_fini(&w->waiter);
		lock_fini(&w->lock);
		free(w);
		return -r;
	}
	*ret = w;
	return 0;
}

void
worker_stop(struct worker *w)
{
	if (w == NULL)
		return;
	lock_take(&w->lock);
	w->stopping = true;
	lock_drop(&w->lock);
	waiter_wake(&w->waiter);
	(void)pthread_join(w->thread, NULL); /* it exists */
	waiter_fini(&w->waiter);
	lock_fini(&w->lock);
	free(w);
}

void
worker_post(struct worker *w, struct job *job)
{
	lock_take(&w->lock);
	list_init(&job->link);
	list_append(&w->jobs, &job->link);
	/* Under the lock: after it, worker_stop() may have freed w. */
	waiter_wake(&w->waiter);
	lock_drop(&w->lock);
}
