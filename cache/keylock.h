/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keylock.h - one mutating request a key in flight.
 *
 * Who is to change what S3 holds under a key marks it busy first, and waits
 * while another has it: requests of one key are ordered by key, not by entry.
 * A mark is no lock: it is kept over the network.  Marks are taken before any
 * lock, two at once only by keylock_take_two(); but zero.c takes one that no
 * file has, and none after it.
 *
 * Threads: any but the net thread.  Locks: a leaf, held for a moment.
 */
#ifndef CACHE_KEYLOCK_H
#define CACHE_KEYLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "s3/base/list.h"
#include "s3/base/lock.h"

/* Opaque types. */
struct keywatch;
struct waiter;

struct keylocks {
	struct lock lock;
	struct list busy;    /* [lock] struct keylock */
	struct list watches; /* [lock] struct keywatch */
};

/* A key that is busy; on its owner's stack, or part of its request. */
struct keylock {
	struct list link;      /* [lock] of busy, or where it waits */
	char *key;             /* owned */
	struct list waiters;   /* [lock] struct keylock, first come first */
	struct waiter *waiter; /* of its owner, while that waits */
	bool is_held;          /* [lock] until taken, then its owner's */
	bool is_sending;       /* [lock] */
	bool is_look;          /* no watch notes it */
};

void keylocks_init(struct keylocks *t);
void keylocks_fini(struct keylocks *t); /* nothing is busy */

/**
 * keylock_take(t, key, w, ret):
 * Mark ${key} busy, waiting while it is; who came first goes first.
 * ${ret} stays where it is until keylock_drop(); on failure it is all zero.
 * Returns: 0: keylock_drop(${ret}); -EINTR (${w} may be NULL); -ENOMEM.
 */
int keylock_take(
    struct keylocks *t, const char *key, struct waiter *w, struct keylock *ret);

/* Likewise, for who only looks at what is there: no watch notes it. */
int keylock_look(
    struct keylocks *t, const char *key, struct waiter *w, struct keylock *ret);

/* As keylock_take(), but -EBUSY where it would have to wait. */
int keylock_try(struct keylocks *t, const char *key, struct keylock *ret);

/* Both, in the order that cannot deadlock; equal keys: the second is not
 * taken.  On failure neither is. */
int keylock_take_two(struct keylocks *t, const char *a, const char *b,
    struct waiter *w, struct keylock *ret_a, struct keylock *ret_b);

/* Whoever has ${key} sends a request that may replace or remove the object;
 * until it is told otherwise, or drops the mark.  Of a key that is not busy,
 * nothing. */
void keylock_set_sending(struct keylocks *t, const char *key, bool is_sending);
bool keylock_is_sending(struct keylocks *t, const char *key);

/* Whether what is under ${key} is told by who sends it, or by who fills what is
 * above it (keywatch.h), and not by others' answers meanwhile; of any key: */
bool keylock_is_ours(struct keylocks *t, const char *key);
bool keylock_is_any_ours(struct keylocks *t);

/* From now on ${w} notes which keys below its prefix are busy, and have been;
 * it stays where it is until it is over. */
void keylock_watch(struct keylocks *t, struct keywatch *w);
void keylock_unwatch(struct keylocks *t, struct keywatch *w);

/* Those noted since the last time: ${*ret} and what is in it is owned.
 * Returns: 0; -ENOMEM not all could be noted. */
int keylock_watched(
    struct keylocks *t, struct keywatch *w, char ***ret, size_t *ret_count);

/* One that was not taken (all zero) is fine. */
void keylock_drop(struct keylocks *t, struct keylock *k);

#endif
