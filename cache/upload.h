/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload.h - send one file's changes to S3.
 *
 * A flush is straight-line: mark the key busy, plan, fetch what must go up
 * and is not here, PUT or multipart, settle what is not known, note the
 * outcome in the row.  The bytes of a request are frozen while it is under
 * way, so that no object is ever a mix: a PUT freezes the file, a part its
 * range.  A part that is changed after it was sent is sent again; after two
 * rounds of that the whole file is frozen, so that neither starves.
 *
 * Parts of the schedule of plan.h go up while the program still writes.
 *
 * Threads: the pool of writeback.h.  Locks: as said.
 */
#ifndef CACHE_UPLOAD_H
#define CACHE_UPLOAD_H

#include <stdint.h>

/* Opaque types. */
struct cache;
struct entry;
struct waiter;

/**
 * upload_flush(e, w):
 * Wait until S3 has all that was written before, uploading it.
 * Locks:   none is held.
 * Returns: 0; -EINTR (the upload goes on); else what it ended with.
 */
int upload_flush(struct entry *e, struct waiter *w);

/* Have it sent; what is told goes to upload_await().  Locks: none is held. */
unsigned upload_post(struct entry *e);

/* As upload_flush(), of one that was posted: if it has failed since, it is not
 * sent again. */
int upload_await(struct entry *e, unsigned errors, struct waiter *w);

/* On the pool: one flush of ${e}, from the start to the end. */
void upload_run(struct entry *e);

#endif
