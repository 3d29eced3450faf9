/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - what S3 has under a key, or is to be done for a path, on its way
 * to pailctl.
 *
 * S3 lets us wait, and so may who reads: each runs in a thread of its own, up
 * to DELIVERIES_MAX at a time, on a connection that is given to it.  What it
 * sends there, for the commands that control.h names:
 *
 *	get	{"len": N} and a newline, then N bytes; again and again
 *	keys	[{"key": ..., "text": ..., "size": N}, ...]; likewise
 *	uploads	[{"key": ..., "text": ..., "id": ..., "made": SECONDS since
 *		1970, "ours": true}, ...]; likewise
 *	flush	{"files": N, "bytes": N, "names": N, "attrs": N}, that is on
 *		its way; and [{"key": ..., "text": ..., "what": WORD, "why":
 *		TEXT}, ...], of what stays; again and again
 *	drop	likewise, of what keeps it from being dropped
 *	fsck	likewise, of what is wrong; with "mended": true, if it was
 *	warm	{"files": ...}, as of flush, of what is cached by now; the last
 *		is that of all; and [...] likewise, of what is not
 *	evict	nothing
 *	then	{"done": true}, or {"error": "..."}: all before is worth
 *		nothing.  Of flush and those after it {"done": true, "found": N,
 *		"mended": N}: how many those are
 *
 * Threads: new, start and free from one thread.  Lock: a leaf.
 */
#ifndef FS_DELIVERY_H
#define FS_DELIVERY_H

#include <jansson.h>
#include <stdbool.h>

#include "cache/admin.h"
#include "cache/cache.h"

#define DELIVERIES_MAX 4

/* Opaque types. */
struct buf;
struct deliveries;

enum delivery_kind {
	DELIVERY_GET,
	DELIVERY_KEYS,
	DELIVERY_UPLOADS,
	DELIVERY_FLUSH,
	DELIVERY_DROP,
	DELIVERY_CHECK,
	DELIVERY_REPAIR,
	DELIVERY_WARM,
	DELIVERY_EVICT
};

/* The call of cache.h that does it. */
typedef int delivery_fn(void *arg, enum delivery_kind kind,
    struct cache_key_call *call, struct waiter *w);

/**
 * deliveries_new(run, arg, ret):
 * Memory:  borrows ${arg} until deliveries_free().
 * Returns: 0 or -ENOMEM.
 */
int deliveries_new(delivery_fn *run, void *arg, struct deliveries **ret);

/* End all that is under way, and free.  NULL is fine. */
void deliveries_free(struct deliveries *d);

/**
 * delivery_start(d, fd, kind, key):
 * Send what is under ${key} (of flush and those after it: a path) to ${fd}.
 * Memory:  takes ${fd}, and the bytes of ${key}, unless it fails.
 * Returns: 0; -EBUSY there are DELIVERIES_MAX; -errno.
 */
int delivery_start(
    struct deliveries *d, int fd, enum delivery_kind kind, struct buf *key);

/* A key as JSON: {"key": ... or null, "text": ...}; NULL: no memory. */
json_t *delivery_key_json(const char *key, size_t len);

#endif
