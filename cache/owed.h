/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owed.h - names that are owed to S3: when each is carried out, and who waits.
 *
 * In the modes in which a call on a name does not wait for S3, it commits an
 * intent (db.h) with the state of the row, tells it here, and returns.  Who
 * has an intent carried out calls the very function that the call would have
 * called itself where it waits: on a thread of its own pool, after write_delay,
 * or on the thread of who needs it to be over (owed_run()).  What is posted has
 * a thread at once, so that nobody waits for one that has not begun: a flush
 * waits for names, and all threads of its pool may do so.
 *
 * DELETEs are gathered: when the first is due, or S3_DELETE_MAX wait, those
 * that wait go as one.  What fails is tried again, after 5 s, then twice as
 * long, up to 5 minutes, for ever; what is owed is in the database, here is
 * only when to look at it again.
 *
 * Threads: any.  Locks: a leaf.
 */
#ifndef CACHE_OWED_H
#define CACHE_OWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct intent;
struct owed;
struct row;
struct waiter;

/*
 * What carrying out ends with, beside 0 (it is over, or another intent has
 * taken its place) and -errno (it failed, and is tried again; or it is over,
 * and had to be taken back).
 */
#define OWED_HELD   1 /* a file that is not written yet will replace it */
#define OWED_SINGLY 2 /* it cannot go with others */
#define OWED_LATER  3 /* not now: its key is busy, or another goes first */

/* One of several DELETEs. */
struct owed_delete {
	uint64_t id; /* of the row */
	int r;       /* result, as above */
};

/* How each kind is carried out. */
struct owed_ops {
	int (*put)(struct cache *c, uint64_t id);
	int (*mark)(struct cache *c, uint64_t id);
	int (*move)(struct cache *c, uint64_t id);
	int (*remove)(struct cache *c, uint64_t id);
	void (*remove_all)(
	    struct cache *c, struct owed_delete *list, size_t count);
};

/* ${ops} is borrowed until owed_free().  Nothing is carried out before
 * owed_start(). */
int owed_new(struct cache *c, const struct owed_ops *ops, struct owed **ret);
int owed_start(struct owed *o);

/* Post nothing more, and end the threads. */
void owed_stop(struct owed *o);
void owed_free(struct owed *o);

/**
 * owed_is_later(c, dir):
 * Whether a change of a name in directory ${dir} (an id) is to be owed: the
 * mode says so, no directory above is being renamed, and not too much is owed.
 * Asked within the transaction that commits the intent.
 */
bool owed_is_later(struct cache *c, uint64_t dir);

/* Directory ${id} is being renamed: until the end, no more is owed below. */
int owed_move_begin(struct cache *c, uint64_t id);
void owed_move_end(struct cache *c, uint64_t id);

/* The intent of ${kind} for ${row} was committed.  No memory: the next mount
 * finds it, or who waits for it. */
void owed_add(struct cache *c, const struct row *row, int kind);

/* That of row ${id} is over: another took care of it. */
void owed_forget(struct cache *c, uint64_t id);

/**
 * owed_run(c, id, w):
 * Carry out what is owed for row ${id}, now, on this thread, or wait for the
 * one that does.  The caller has no key marked busy.
 * Returns: 0 nothing is owed for it; as above; -EINTR.
 */
int owed_run(struct cache *c, uint64_t id, struct waiter *w);

/* Likewise the marker of directory ${id}, if that is owed and nothing else: its
 * DELETE waits for those that are to come after the marker. */
int owed_run_mark(struct cache *c, uint64_t id);

/* As owed_run() all below directory ${id}. */
int owed_run_below(struct cache *c, uint64_t id, struct waiter *w);

/**
 * owed_wait(c, dir, w, ret_left):
 * Carry out all that is owed in directory ${dir} (0: everywhere), and wait.
 * Returns: 0; -errno of one that failed; ${*ret_left}: how many still are
 *     owed; -EINTR.
 */
int owed_wait(
    struct cache *c, uint64_t dir, struct waiter *w, uint64_t *ret_left);

/* What was owed in directory ${dir} (an id) was taken back, for ${why}: who
 * waits is told. */
void owed_took_back(struct cache *c, uint64_t dir, int why);

/* How many S3 refused for good, and were taken back, since mount. */
uint64_t owed_refused(struct cache *c);

/* Whether S3 has what is called ${name} in directory ${dir} (an id) only until
 * a DELETE that we owe it: of a directory that was removed, and made anew.  1;
 * 0; -errno. */
int owed_is_leaving(
    struct cache *c, uint64_t dir, const char *name, bool is_dir);

struct owed_counts {
	uint64_t creates;
	uint64_t deletes;
	uint64_t renames;
	uint64_t failed; /* of them, at their last try */
};

void owed_count(struct cache *c, struct owed_counts *ret);

/* Whether anything is owed at all: cheap. */
bool owed_any(struct cache *c);

#endif
