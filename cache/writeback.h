/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writeback.h - what is sent when, and the threads that send it.
 *
 * A pool of threads runs *tasks* (tasks.h).  A clock thread posts what is due:
 * attributes and bytes after write_delay, what failed again after 5 s, then
 * twice as long, up to 5 minutes.  While S3 does not answer, nothing is posted
 * (outage.h); when it does, all that failed is due at once.  And it writes the
 * facts of files that are being written into the database.
 *
 * What is owed is in rows and entries; here is only when to look at it again.
 */
#ifndef CACHE_WRITEBACK_H
#define CACHE_WRITEBACK_H

#include <stdint.h>

#include "cache/task.h"

/* Opaque types. */
struct cache;
struct entry;
struct waiter;
struct writeback;

/* What the pool does, each on a thread of its own. */
struct writeback_ops {
	void (*bytes)(struct entry *e); /* upload_run() */
	/* It is not to be sent any more: the mount ends. */
	void (*left)(struct entry *e);
	int (*attrs)(struct cache *c, uint64_t id, struct waiter *w);
	/* The time of ${e} has come; on the clock thread: it does not wait. */
	void (*due)(struct entry *e);
};

/* ${ops} is borrowed until writeback_free(). */
int writeback_new(
    struct cache *c, const struct writeback_ops *ops, struct writeback **ret);

/* Run what was posted, end the threads, let go of what waits to be tried
 * again.  NULL is fine. */
void writeback_stop(struct writeback *wb);
void writeback_free(struct writeback *wb);

/* Threads: any.  Locks: a leaf. */
void writeback_post(struct writeback *wb, struct task *task);

/* The bytes of ${e} are to be in S3 soon.  Locks: the entry's is held. */
void writeback_bytes_locked(struct entry *e);

/* They are due in ${delay_ms}, if they are not earlier.  Locks: likewise. */
void writeback_later_locked(struct entry *e, int64_t delay_ms);

/* They could not be sent: try again later.  Locks: likewise. */
void writeback_retry_locked(struct entry *e);

/* What of ${e} is local is to be in the database soon.  Locks: likewise. */
void writeback_note_locked(struct entry *e);

/* Look at what is due now: for a clock that was set. */
void writeback_wake(struct writeback *wb);

/* The attributes of row ${id} changed: they follow after write_delay, unless
 * something else carries them.  Locks: leaf. */
void writeback_attrs(struct cache *c, uint64_t id);

/* They were sent: nothing is due any more.  Locks: leaf. */
void writeback_attrs_sent(struct cache *c, uint64_t id);

/* Send all attributes that wait for their time now.  ${*ret_left}: how many
 * still wait, after they failed.  Returns: 0; -EINTR. */
int writeback_drain_attrs(
    struct writeback *wb, struct waiter *w, uint64_t *ret_left);

/* How many rows wait for their attributes to be sent. */
unsigned writeback_attrs_count(struct writeback *wb);

#endif
