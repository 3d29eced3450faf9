/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry.h - entry versions in memory: references, lock, local bytes.
 *
 * A `struct entry` exists only while somebody uses it: an open file, a fetch,
 * an operation.  It is one *version*: when the object changes remotely, the
 * row gets a new node and with it a new struct entry; this one is superseded
 * and goes, bytes and all, with its last user.
 *
 * Locks: entry table, then entry (s3/base/lock.h).  Fields: [I] immutable,
 * [t] entry table, [e] the entry's lock, [a] atomic.
 */
#ifndef CACHE_ENTRY_H
#define CACHE_ENTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"
#include "cache/chunk.h"
#include "cache/state.h"
#include "cache/task.h"
#include "s3/base/list.h"
#include "s3/base/lock.h"

struct cache;
struct entries;
struct row;
struct upload;

/* The object's size, where changes of an earlier run lie over it. */
#define ENTRY_SIZE_UNKNOWN UINT64_MAX

struct entry {
	struct cache *cache; /* [I] */
	uint64_t node;       /* [I] */
	uint64_t ino;        /* [I] */
	char *key;           /* [e] where the version lies in the bucket */
	struct list link;    /* [t] all entries, least recently opened first */
	_Atomic unsigned refs; /* [a] to 0 only under [t] */
	unsigned handles;      /* [t] of them, open files */
	struct lock lock;
	int64_t modified_ns;    /* [I] Last-Modified */
	uint64_t size;          /* [e] bytes */
	uint64_t object_size;   /* [e] of the object in S3 */
	char *etag;             /* [e] NULL: the server gives none */
	char *version_id;       /* [e] NULL: not versioned, or not known */
	char *base_key;         /* [e] owned: of a clone, or one that was
				   staged: where the bytes lie; else NULL */
	char *base_etag;        /* [e] owned: of that; else NULL */
	struct cache_attr attr; /* [e] as of the last time it was current */
	bool is_untold;         /* [I] its headers were not known when it was
				   loaded */
	struct row *heard;      /* [e] owned: what a GET told of them since
				   (learn.h); NULL */
	bool is_superseded;     /* [e] the row has gone on */
	int lost;               /* [e] -errno once it cannot be reached */
	struct chunk chunk;     /* [e] */
	struct list fetches;    /* [e] struct fetch: under way */
	struct list readers;    /* [e] struct reader: ranges in use */

	/* Changes of our own (write.h, upload.h). */
	enum state_bytes state;      /* [e] of the bytes; the row follows */
	uint64_t generation;         /* [e] counts local changes of the bytes */
	uint64_t sent_generation;    /* [e] of them, in S3 */
	uint64_t covered_generation; /* [e] of them, asked for by a close */
	uint64_t asked_generation;   /* [e] of them, somebody waits for it */
	uint64_t kept_generation;    /* [e] of them, safe in the local store */
	int64_t dirty_ms;            /* [e] cache clock: since when something is
					not in S3; 0: all is */
	unsigned writers;            /* [e] of the handles, may write */
	bool is_new;                 /* [e] no version of it was in S3 yet */
	bool is_unlinked;            /* [e] it has no name: nothing is sent */
	bool is_leaving;             /* [e] it is being unlinked or replaced */
	bool is_let_go;              /* [e] there was no room to keep it */
	bool is_only_copy;           /* [e] its object is gone: never evicted */
	bool is_flushing;            /* [e] a flush is queued or under way */
	bool is_modified;            /* [e] size and times are not the row's */
	bool has_intent;             /* [e] the database says it is owed */
	uint64_t snapshot;           /* [e] the chunk file of what is owed, if
					it was changed since; 0 */
	uint64_t synced_generation;  /* [e] safe from the loss of power, here */
	bool is_staging;        /* [e] a task of stage.h is queued or at work */
	bool takes_over;        /* [e] nothing is left of its own object's
				   bytes, though it has a base: a stage */
	int64_t unstaged_ms;    /* [e] monotonic: when that failed; 0 */
	bool is_late;           /* [e] its time came while it was written */
	bool is_noting;         /* [e] in a list of writeback.h */
	int64_t mtime_ns;       /* [e] of the last write; 0: the row's */
	struct task flush_task; /* of writeback.h, while is_flushing */
	struct list due_link;   /* of writeback.h: waits for its time */
	int64_t due_ms;         /* likewise; monotonic */
	struct list note_link;  /* likewise */
	struct list frozen;     /* [e] struct frozen: may not change now */
	struct list waiters;    /* [e] struct waiter: for any of these */
	struct upload *upload;  /* [e] its multipart upload, NULL: none */
	uint64_t upload_count;  /* [e] how many there were */
	bool has_sender;        /* [e] the upload is some flush's, stage's or
				   abandon's: parts_enter() */
	int error;              /* [e] the last that an upload ended with */
	unsigned error_count;   /* [e] how often in a row */
	unsigned error_total;   /* [e] how often since it is in memory */
	bool is_damaged;        /* [e] bytes that only we have are wrong */
	uint64_t damaged_off;   /* [e] where: the last that were found */
};

/* A range that is on its way to S3: who wants to change it waits (on
 * entry.waiters).  On its sender's stack. */
struct frozen {
	struct list link; /* [e] */
	uint64_t off;
	uint64_t end;
};

/* A range that somebody reads or waits for; on that one's stack. */
struct reader {
	struct list link; /* [e] */
	uint64_t off;
	uint64_t end;
	struct waiter *waiter; /* NULL: only keeps the range from eviction */
	int err;               /* [e] why the range does not come */
};

int entries_new(struct entries **ret);
void entries_free(struct entries *t);

/**
 * entry_get(c, node, ret):
 * The entry version ${node}, a regular file, loaded if it is not in memory.
 * Memory:  a reference: entry_put().
 * Returns: 0; -ESTALE: no row has this node; -EISDIR and the like; -EIO.
 */
int entry_get(struct cache *c, uint64_t node, struct entry **ret);

/* The same, but only if it is in memory; NULL else. */
struct entry *entry_find(struct cache *c, uint64_t node);

/* One more reference, for who has one already.  Locks: any. */
void entry_hold(struct entry *e);

/* Give the reference back; NULL is fine.  Not on the net thread: the last
 * one writes facts to the database. */
void entry_put(struct entry *e);

/* Count open files of it. */
void entry_add_handle(struct entry *e);
bool entry_drop_handle(struct entry *e); /* true: that was the last */
bool entry_is_open(struct entry *e);

/* Whether the version can be read whatever becomes of its key: all is here, or
 * in a staging object, or the bucket keeps it ("null" is the one that is
 * replaced).  Locks: the entry's
 * is held. */
bool entry_is_safe(const struct entry *e);

/* The row went on to another version, or away: keep the version while it is
 * used, then delete its bytes (at once, if nobody uses it). */
void entries_supersede(struct cache *c, uint64_t node);

/* Likewise, by our own hand: it goes on without a name. */
void entries_unlink(struct cache *c, uint64_t node);

/* Note new attributes of the version, if it is in memory. */
void entries_refresh(
    struct cache *c, const struct cache_attr *attr, const char *version_id);

/* What an open file's changes say of its attributes (size, times), over what
 * the row said.  Locks: none is held. */
void entries_overlay(struct cache *c, struct cache_attr *attr);

/* The ctime of what was written, whose row has ${ctime_ns}: the later one. */
int64_t entry_ctime_locked(const struct entry *e, int64_t ctime_ns);

/* All in memory, with a reference each.  Memory: ${*ret} is owned: free(). */
int entries_all(struct cache *c, struct entry ***ret, size_t *ret_count);

/* All that have changes which are not in S3, with a reference each.  Memory:
 * ${*ret} is owned: free(). */
int entries_modified(struct cache *c, struct entry ***ret, size_t *ret_count);

/* How many of those there are, how many of them were refused, and since when
 * (cache clock; 0: there are none). */
struct entries_changes {
	uint64_t dirty;
	uint64_t failed;
	int64_t oldest_ms;
};
void entries_count_changes(struct cache *c, struct entries_changes *ret);

/* Where the bytes lie that are not here, and of which ETag (NULL: none given).
 * Locks: the entry's is held. */
const char *entry_base_key(const struct entry *e);
const char *entry_base_etag(const struct entry *e);

/* An entry whose bytes lie under ${key}, but which has another name, with a
 * reference; NULL: none. */
struct entry *entries_find_clone(struct cache *c, const char *key);

/* An entry without a name whose object, which it may need still, is ${key}'s,
 * with a reference; NULL: none. */
struct entry *entries_find_unlinked(struct cache *c, const char *key);

/* Whether its bytes lie in a staging object.  Locks: the entry's is held. */
bool entry_is_staged(const struct entry *e);

/* Whether all its bytes are here.  Locks: the entry's is held. */
bool entry_is_here(const struct entry *e);

/* Whether its clean bytes are somewhere else, too, so that they may go.  Locks:
 * the entry's is held. */
bool entry_may_fetch(const struct entry *e);

/* Whether it has nothing of its object's bytes any more: what is there was to
 * go.  One that was empty is none.  Locks: the entry's is held. */
bool entry_is_emptied(const struct entry *e);

/* Set, or (NULL) forget, where the bytes of ${e} lie.  Locks: the entry's is
 * held.  Returns: 0; -ENOMEM. */
int entry_set_base_locked(struct entry *e, const char *key, const char *etag);

/* Keep it in the database: after a crash, too, it is known.  Locks and returns
 * likewise. */
int entry_keep_base_locked(struct entry *e);

/* Nothing of this is owed any more: as far as the database knows, within the
 * caller's transaction.  Locks: likewise. */
int entry_drop_intents_locked(struct entry *e);

/* Whether size and times of ${e} are those to show, not the row's.  Locks: the
 * entry's is held. */
void entry_set_modified_locked(struct entry *e, bool modified);

/**
 * entries_rekey(c, from, to):
 * The object ${from} is ${to} now; likewise, where both end in '/', all
 * objects below: entries in memory read and send there from now on.  ${etag}:
 * the ETag of the one object there, NULL for directories (theirs stay: a
 * fetch that meets another asks again).
 * Returns: 0; -ENOMEM.
 */
int entries_rekey(
    struct cache *c, const char *from, const char *to, const char *etag);

/* Likewise, but not the version ${but} (a node; 0: none). */
int entries_rekey_but(struct cache *c, const char *from, const char *to,
    const char *etag, uint64_t but);

/* Likewise of version ${node} alone: another may have been made under ${from}
 * by now.  Clones of what it was are of what it is. */
int entries_rekey_one(struct cache *c, uint64_t node, const char *from,
    const char *to, const char *etag);

/* Delete the bytes of ${node} if it is not in memory, and S3 has all that the
 * row tells of; returns how many. */
uint64_t entries_drop_closed(struct cache *c, uint64_t node);

/* Nothing of ${node} stays here that S3 has and nobody reads just now. */
void entries_forget(struct cache *c, uint64_t node);

/* Punch clean bytes out of open chunks; returns how many. */
uint64_t entries_punch(struct cache *c, uint64_t want);

/* Wait until no entry is in memory: all files are closed, and the fetches
 * that were cancelled end soon. */
void entries_drain(struct cache *c);

/* Write changed facts of all to the database. */
void entries_flush(struct cache *c);

unsigned entries_count(struct cache *c);

#endif
