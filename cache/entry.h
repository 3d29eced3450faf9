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
#include "s3/base/list.h"
#include "s3/base/lock.h"

struct cache;
struct entries;
struct row;

struct entry {
	struct cache *cache; /* [I] */
	uint64_t node;       /* [I] */
	uint64_t ino;        /* [I] */
	char *key;           /* [I] where the version lies in the bucket */
	struct list link;    /* [t] all entries, least recently opened first */
	_Atomic unsigned refs; /* [a] to 0 only under [t] */
	unsigned handles;      /* [t] of them, open files */
	struct lock lock;
	int64_t modified_ns;    /* [I] Last-Modified */
	uint64_t size;          /* [e] bytes */
	char *etag;             /* [e] NULL: the server gives none */
	char *version_id;       /* [e] NULL: not versioned, or not known */
	struct cache_attr attr; /* [e] as of the last time it was current */
	bool is_superseded;     /* [e] the row has gone on */
	int lost;               /* [e] -errno once it cannot be reached */
	struct chunk chunk;     /* [e] */
	struct list fetches;    /* [e] struct fetch: under way */
	struct list readers;    /* [e] struct reader: ranges in use */
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

/* One more reference, for who has one already.  Locks: any. */
void entry_hold(struct entry *e);

/* Give the reference back; NULL is fine.  Not on the net thread: the last
 * one writes facts to the database. */
void entry_put(struct entry *e);

/* Count open files of it. */
void entry_add_handle(struct entry *e);
bool entry_drop_handle(struct entry *e); /* true: that was the last */

/* The row went on to another version, or away: keep the version while it is
 * used, then delete its bytes (at once, if nobody uses it). */
void entries_supersede(struct cache *c, uint64_t node);

/* Note new attributes of the version, if it is in memory. */
void entries_refresh(
    struct cache *c, const struct cache_attr *attr, const char *version_id);

/* Delete the bytes of ${node} if it is not in memory; false: it is. */
bool entries_drop_closed(struct cache *c, uint64_t node);

/* Punch clean bytes out of open chunks; returns how many. */
uint64_t entries_punch(struct cache *c, uint64_t want);

/* Wait until no entry is in memory: all files are closed, and the fetches
 * that were cancelled end soon. */
void entries_drain(struct cache *c);

/* Write changed facts of all to the database. */
void entries_flush(struct cache *c);

unsigned entries_count(struct cache *c);

#endif
