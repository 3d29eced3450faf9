/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - which conditions the server honours.
 *
 * Some servers ignore If-Match and If-None-Match with some kinds of call
 * (CopyObject's destination, DeleteObject, CompleteMultipartUpload ...).  At
 * the first mutation of a kind this is found out with objects of our own under
 * PREFIX.pailfs/probe/, and remembered in the database; where a condition is
 * missing, a HEAD just before must do, which is said in the log, once.
 *
 * Threads: any; one probes, others wait.  Locks: none is held.
 */
#ifndef CACHE_PROBE_H
#define CACHE_PROBE_H

#include <stdbool.h>

/* Opaque types. */
struct cache;
struct probes;
struct waiter;

/* Kinds of conditions; the names are stored in the database. */
enum probe_kind {
	PROBE_PUT_MATCH,       /* PutObject, If-Match */
	PROBE_PUT_ABSENT,      /* PutObject, If-None-Match: * */
	PROBE_COMPLETE_MATCH,  /* CompleteMultipartUpload, If-Match */
	PROBE_COMPLETE_ABSENT, /* likewise, If-None-Match: * */
	PROBE_COPY_MATCH,      /* CopyObject, If-Match on the destination */
	PROBE_COPY_ABSENT,     /* likewise, If-None-Match: * */
	PROBE_COPY_SOURCE,     /* CopyObject, x-amz-copy-source-if-match */
	PROBE_DELETE_MATCH,    /* DeleteObject, If-Match */
	PROBE_DELETES_MATCH,   /* DeleteObjects, ETag of a key */
	PROBE_KIND_COUNT
};

int probes_new(struct cache *c, struct probes **ret);
void probes_free(struct probes *p);

/**
 * probe_has(c, kind, w):
 * Whether the server honours conditions of ${kind}: asked once a cache folder,
 * and again every 7 days.
 * Returns: 1 yes; 0 no, also where keys under .pailfs/ may not be written
 *     (said once); -errno it could not be found out now.
 */
int probe_has(struct cache *c, enum probe_kind kind, struct waiter *w);

/**
 * probe_check(c, kind, key, etag, w):
 * What stands in for a condition that the server lacks: nothing if it has it,
 * else a HEAD of ${key}: is its ETag ${etag} (NULL: is it absent)?
 * Returns: 0 the request may be sent (with its condition in any case);
 *     -ESTALE the condition does not hold; -errno.
 */
int probe_check(struct cache *c, enum probe_kind kind, const char *key,
    const char *etag, struct waiter *w);

#endif
