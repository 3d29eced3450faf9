/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.c - one thread waits until it is woken, interrupted, or out of time.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "s3/base/lock.h"
#include "s3/base/wait.h"

#define MEMORY_PAUSE_NS 10000000

static void
must(int r)
{
	if (r != 0)
		abort();
}

void
waiter_init(struct waiter *w)
{
	pthread_condattr_t attr;

	must(pthread_condattr_init(&attr));
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	must(pthread_mutex_init(&w->mutex, NULL));
	must(pthread_cond_init(&w->cond, &attr));
	must(pthread_condattr_destroy(&attr));
	w->woken = false;
	w->interrupted = false;
	list_init(&w->link);
}

void
waiter_fini(struct waiter *w)
{
	must(pthread_cond_destroy(&w->cond));
	must(pthread_mutex_destroy(&w->mutex));
}

void
waiter_reset(struct waiter *w)
{
	must(pthread_mutex_lock(&w->mutex));
	w->woken = false;
	must(pthread_mutex_unlock(&w->mutex));
}

static void
set_flag(struct waiter *w, bool *flag)
{
	must(pthread_mutex_lock(&w->mutex));
	*flag = true;
	must(pthread_cond_signal(&w->cond));
	must(pthread_mutex_unlock(&w->mutex));
}

void
waiter_wake(struct waiter *w)
{
	set_flag(w, &w->woken);
}

void
waiter_interrupt(struct waiter *w)
{
	set_flag(w, &w->interrupted);
}

static struct timespec
deadline_in(int64_t ms)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += (ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

int
waiter_wait(struct waiter *w, int64_t ms)
{
	struct timespec deadline = { 0 };
	int r = 0;

	if (ms != WAIT_FOREVER)
		deadline = deadline_in(ms);
	must(pthread_mutex_lock(&w->mutex));
	while (!w->woken && !w->interrupted && r == 0) {
		if (ms == WAIT_FOREVER)
			must(pthread_cond_wait(&w->cond, &w->mutex));
		else
			r = pthread_cond_timedwait(
			    &w->cond, &w->mutex, &deadline);
	}
	if (w->woken)
		r = 0;
	else
		r = w->interrupted ? -EINTR : -ETIMEDOUT;
	w->woken = false;
	must(pthread_mutex_unlock(&w->mutex));
	return r;
}

int
waiter_wait_in(struct waiter *w, struct list *list, struct lock *lock)
{
	int r;

	waiter_reset(w);
	list_append(list, &w->link);
	lock_drop(lock);
	r = waiter_wait(w, WAIT_FOREVER);
	lock_take(lock);
	list_remove(&w->link);
	return r;
}

void
wait_for_memory(void)
{
	const struct timespec pause = { .tv_nsec = MEMORY_PAUSE_NS };

	(void)nanosleep(&pause, NULL); /* or less */
}

void
waiter_wake_all(struct list *head)
{
	for (struct list *l = head->next; l != head; l = l->next)
		waiter_wake(LIST_ENTRY(l, struct waiter, link));
}
