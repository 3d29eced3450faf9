/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mover.h - many objects get other keys: listed, copied in parallel, deleted.
 *
 *	mover_init(&m, c, "a/b", "c/d");	of "a/b/x" it makes "c/d/x"
 *	r = mover_list(&m, "a/b/", w);		flat: 1 request for 1000
 *	r = mover_copy(&m, w);			MOVER_FLIGHT at once
 *	...	mover_refresh() of what was changed meanwhile
 *	r = mover_delete(&m) or mover_undo(&m)	1 request for 1000
 *	mover_fini(&m);
 *
 * Copies are made on condition of the ETag listed, to keys where nothing is;
 * deletes on condition of the ETag copied.  What vanished meanwhile is passed
 * over: there is nothing to move.
 *
 * Threads: the caller's; done() runs on the net thread.  Locks: none is held.
 */
#ifndef CACHE_MOVER_H
#define CACHE_MOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct progress;
struct s3_object;
struct waiter;

#define MOVER_FLIGHT 64 /* copies at once */

enum moved_state {
	MOVED_LISTED, /* not copied yet */
	MOVED_UNSURE, /* the copy was sent, and may have been made */
	MOVED_COPIED,
	MOVED_GONE,    /* not there any more: no copy either */
	MOVED_DELETED, /* copied, and not there any more */
	MOVED_CHANGED  /* copied, and another version is there now */
};

/* One object.  Strings are owned. */
struct moved {
	char *key;  /* as it was */
	char *etag; /* of what was, or is to be, copied; NULL: none given */
	uint64_t size;
	enum moved_state state;
	bool may_replace;    /* the target has one, too, which stays if this
				is undone */
	bool stays;          /* the original is not deleted */
	bool is_known;       /* the caller's: its row was of this version */
	char *new_etag;      /* of the copy; NULL: none given */
	int64_t modified_ns; /* likewise; 0: not told */
	int64_t was_ns;      /* of the original; likewise */
	uint64_t noted;      /* the caller's: id of what it noted; 0: none */
	bool is_noted;       /* likewise: that is right */
};

/* Called before a version is copied that was not listed, and after a copy that
 * has another ETag than its original.  Returns: 0; -errno. */
typedef int mover_change_fn(void *arg, struct moved *k);

struct mover {
	struct cache *cache;
	const char *from;   /* borrowed: what keys begin with */
	const char *to;     /* borrowed: and shall begin with */
	struct moved *keys; /* owned; by key once listed */
	size_t count;
	size_t size;
	struct progress *progress; /* borrowed; NULL: nobody looks */
	bool is_free; /* nothing is under the new keys, as was listed */
	mover_change_fn *on_change; /* NULL: nobody is told */
	void *on_change_arg;
};

void mover_init(
    struct mover *m, struct cache *c, const char *from, const char *to);
void mover_fini(struct mover *m);

/* All objects with ${prefix}.  -ENAMETOOLONG: a new key would have more than
 * 1024 bytes. */
int mover_list(struct mover *m, const char *prefix, struct waiter *w);

/* Without asking: one more; mover_sort() before anything is looked for. */
int mover_append(
    struct mover *m, const char *key, const char *etag, uint64_t size);
void mover_sort(struct mover *m);

/* One more object; ${etag} may be NULL. */
int mover_add(
    struct mover *m, const char *key, const char *etag, uint64_t size);

/* The key that ${key} gets; owned; NULL: no memory. */
char *mover_new_key(const struct mover *m, const char *key);

/* The one of ${key}, or NULL; valid until the next is added. */
struct moved *mover_find(struct mover *m, const char *key);

/**
 * mover_copy(m, w):
 * Copy all that are not copied yet.  The marker's key is busy, and no other of
 * them by the caller: those that need a second look are, one at a time.
 * Returns: 0; -ESTALE the target has an object, or one changed again and
 *     again; -EINTR; -errno.
 */
int mover_copy(struct mover *m, struct waiter *w);

/* The objects of ${keys}, each once, may be others than were copied, or gone,
 * or new: ask, and copy them again.  Their keys are busy.  Returns: as
 * mover_copy(). */
int mover_refresh(
    struct mover *m, char *const *keys, size_t count, struct waiter *w);

/* Delete the originals of what was copied; goes on where some fail.  Returns:
 * 0; -errno of the first that stays; else -ESTALE: of some there is another
 * version by now, which stays. */
int mover_delete(struct mover *m, struct waiter *w);

/* After that failed, look what is there still.  Returns: whether anything is
 * of what was copied: 1, 0; -errno: that is not known. */
int mover_left(struct mover *m, struct waiter *w);

/* Whether another version is there now of any. */
bool mover_has_changed(const struct mover *m);

/* Delete the copies.  Returns: as mover_delete(). */
int mover_undo(struct mover *m, struct waiter *w);

/* After mover_left(): make ${ret}, for the way back, the keys that the copies
 * have; what is there still, or again, counts as copied.  Returns: 0; -errno.
 */
int mover_reverse(const struct mover *m, struct mover *ret);

/* ---- private to mover*.c ---- */

/* One more original is gone. */
void mover_count_deleted(struct mover *m);

/* The copy of ${k} is made; its ETag is taken out of ${object}, or copied. */
void mover_copied(
    struct mover *m, struct moved *k, const struct s3_object *object);

/* Look at the original of ${k}, and copy it, or drop its copy.  Its key is
 * busy. */
int mover_again(struct mover *m, struct moved *k, struct waiter *w);

#endif
