/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.h - one thread waits until it is woken, interrupted, or out of time.
 *
 * A waiter belongs to one operation and lives on its thread's stack.  Whoever
 * makes what it waits for calls waiter_wake(); an interrupted request calls
 * waiter_interrupt() from any thread.  A wake that comes before the wait is
 * kept, so none is lost:
 *
 *	waiter_reset(w);
 *	lock; put w on the list of what it waits for; unlock;
 *	r = waiter_wait(w, ms);			0, -EINTR, -ETIMEDOUT
 *	lock; take w off the list; unlock;
 *
 * Only after it is off every list may a waiter end.  Locks: a leaf.
 */
#ifndef S3_BASE_WAIT_H
#define S3_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/base/list.h"

/* Opaque types. */
struct lock;

#define WAIT_FOREVER INT64_C(-1)

struct waiter {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool woken;       /* [mutex] since the last reset or wait */
	bool interrupted; /* [mutex] stays */
	struct list link; /* [owner of the list] where it waits */
};

void waiter_init(struct waiter *w);
void waiter_fini(struct waiter *w);

/* Forget an earlier wake (not an interrupt). */
void waiter_reset(struct waiter *w);

void waiter_wake(struct waiter *w);
void waiter_interrupt(struct waiter *w);

/**
 * waiter_wait(w, ms):
 * Wait for a wake, at most ${ms} milliseconds (WAIT_FOREVER: no limit).
 * Returns: 0 woken (the wake is used up); -EINTR; -ETIMEDOUT.
 */
int waiter_wait(struct waiter *w, int64_t ms);

/**
 * waiter_wait_in(w, list, lock):
 * As waiter_wait() for ever, linked in ${list} meanwhile.  ${lock}, which
 * guards the list, is held; it is given up while it waits.
 */
int waiter_wait_in(struct waiter *w, struct list *list, struct lock *lock);

/* Before what S3 has answered is noted again, which had no memory: it must not
 * be given up.  A moment. */
void wait_for_memory(void);

/* Wake all waiters linked in ${head}.  The lock that guards it is held. */
void waiter_wake_all(struct list *head);

#endif
