/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep.h - multipart uploads that nobody completes any more: each is noted
 * before it is begun, and forgotten when it was completed or aborted; those
 * that a kill left are gone on with by the next mount (parts_resume.c), or
 * aborted.
 *
 *	r = sweep_begin(c, key, row, &note);	before CreateMultipartUpload
 *	sweep_answered(c, &note, &call);	that is over
 *	sweep_end(c, note);			completed, or aborted
 *
 * Where the answer to the create was never seen, S3 is asked for the uploads
 * of exactly that key.  Those that were begun about that time and are none of
 * ours that go on are it.
 *
 * What others left is not touched: cache_uploads_list() shows it.
 *
 * Threads: any; the sweep runs on one of writeback.h's.  Locks: none is held.
 */
#ifndef CACHE_SWEEP_H
#define CACHE_SWEEP_H

#include <stdint.h>

#include "cache/db.h"

/* Opaque types. */
struct cache;
struct s3_call;
struct sweep;

int sweep_new(struct cache *c, struct sweep **ret);

/* It asks for nothing more from now on.  NULL is fine. */
void sweep_stop(struct sweep *s);
void sweep_free(struct sweep *s);

/* Note that an upload of ${key} is about to be begun.  ${row}: what its object
 * will carry (token, mode, uid, gid, atime, mtime, meta), for who goes on with
 * it; NULL: nobody will. */
int sweep_begin(struct cache *c, const char *key, const struct row *row,
    uint64_t *ret_note);

/* ${call}, of that key, is over: the upload is there; or not, and then
 * ${*note} is 0: one that was made all the same, or by a try before, is looked
 * for. */
void sweep_answered(
    struct cache *c, uint64_t *note, const struct s3_call *call);

/* The upload is no more.  0 is fine. */
void sweep_end(struct cache *c, uint64_t note);

/* One that is gone on with. */
struct sweep_upload {
	uint64_t note;
	char *upload_id; /* owned */
	struct row row;  /* owned: as for sweep_begin() */
};

void sweep_upload_fini(struct sweep_upload *u);

/**
 * sweep_claim(c, key, ret):
 * Take over the upload of ${key} that an earlier mount left, to go on with it:
 * it is not swept, and sweep_end() is the caller's.  Before sweep_run().
 * Memory:  ${ret} is owned: sweep_upload_fini().
 * Returns: 0; -ENOENT there is none; -errno.
 */
int sweep_claim(struct cache *c, const char *key, struct sweep_upload *ret);

/* Have those that earlier mounts left, and nobody claimed, aborted soon. */
int sweep_run(struct cache *c);

#endif
