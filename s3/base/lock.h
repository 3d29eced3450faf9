/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.h - mutexes, and the one order in which they may be taken.
 *
 * Lock order: while holding one of these, only those below may be taken.
 *
 *	inode table	fs/inode.c
 *	evicting	cache/evict.c: one thread at a time makes room
 *	entry table	cache/entry.c: which entries are in memory
 *	entry		cache/entry.c: one file or directory
 *	db		cache/db.c: the SQLite connection
 *	http queue	s3/http.c: calls on their way to the net thread
 *	leaf		waiter, stats, log, credentials: hold no other
 *
 * No lock is held across the network, a reply to the kernel, or a notify.
 * Functions that need a lock held are named _locked and annotated with
 * LOCK_HELD(); clang -Wthread-safety checks them.
 */
#ifndef S3_BASE_LOCK_H
#define S3_BASE_LOCK_H

#include <pthread.h>

#if defined(__clang__)
#define LOCK_ATTR(x) __attribute__((x))
#else
#define LOCK_ATTR(x)
#endif

#define LOCK_HELD(l) LOCK_ATTR(requires_capability(l))
#define LOCK_FREE(l) LOCK_ATTR(locks_excluded(l))

struct LOCK_ATTR(capability("mutex")) lock {
	pthread_mutex_t mutex;
};

void lock_init(struct lock *l);
void lock_fini(struct lock *l);
void lock_take(struct lock *l) LOCK_ATTR(acquire_capability(*l));
void lock_drop(struct lock *l) LOCK_ATTR(release_capability(*l));

#endif
