/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - one multipart upload of one file.
 *
 * Parts of a file that is written from its start go up while it still grows
 * (parts_stream_locked()); a flush makes it whole (parts_flush()): plan what
 * is missing, send or copy it with several threads, ready to be completed.
 * A part's range is frozen while it is on its way; a part that was sent and is
 * changed then is sent again.
 *
 * An upload goes on where it was: after S3 was away, and in the next mount
 * (parts_resume()).  That one asks S3 for the parts that are there (ListParts),
 * and sends those again whose checksum is not that of the bytes at hand.
 *
 * Threads: the pool of writeback.h.  Locks: the entry's, as said.
 */
#ifndef CACHE_PARTS_H
#define CACHE_PARTS_H

#include <stdint.h>

#include "cache/db.h"

/* Opaque types. */
struct entry;
struct plan;
struct s3_part;

/* What a flush needs to know of an upload whose parts are all there. */
struct parts_done {
	char *upload_id;       /* owned */
	char *token;           /* owned: it will carry this one */
	struct s3_part *parts; /* owned, with their ETags */
	size_t count;
	struct row row; /* owned: the attributes it was begun with */
};

void parts_done_fini(struct parts_done *d);

/* The token that the upload of ${e} was begun with, NULL: none was.  Locks: the
 * entry's is held. */
const char *parts_token_locked(const struct entry *e);

/* How many bytes of the upload of ${e} are in S3: sent, or copied there. Locks:
 * the entry's is held. */
uint64_t parts_done_bytes_locked(const struct entry *e);

/* An earlier mount may have begun an upload of ${e}, to which bytes are owed:
 * go on with it.  Before sweep_run().  Locks: none. */
void parts_resume(struct entry *e);

/* From here to parts_leave() nobody else sends, ends or aborts the upload of
 * ${e}, whatever key he has marked busy: that is another one's after a rename
 * of a directory.  Waits for whoever does.  After the key is marked, and before
 * a range is frozen; who has entered waits for no mark of a file. parts_flush()
 * and all below are for who has entered.  Locks: none. */
void parts_enter(struct entry *e);
void parts_leave(struct entry *e);

/* What of a new file went up, or is about to, for plan_make().  Memory:
 * ${ret} is owned.  Locks: the entry's is held, and given up if S3 is asked.
 * Returns: 0; -ENOMEM; -errno of S3. */
int parts_sent_locked(struct entry *e, struct plan *ret);

/* Bytes of [off, end) were written: parts that hold them are not sent any
 * more; if one is complete now, it may go.  Locks: the entry's is held. */
void parts_changed_locked(struct entry *e, uint64_t off, uint64_t end);

/**
 * parts_flush(e, key, row, plan, ret):
 * Have all parts of ${plan} in S3, of an object ${key}; the file is frozen.
 * ${row}: what a new upload is begun with (attributes, token).
 * Returns: 0 and ${ret} (parts_done_fini()); -ESTALE the base that is copied
 *     from is not there; -errno: parts_failed() is next.
 */
int parts_flush(struct entry *e, const char *key, const struct row *row,
    const struct plan *plan, struct parts_done *ret);

/* End and abort the upload of ${e}, if there is one.  Locks: none. */
void parts_abort(struct entry *e);

/* A flush failed with ${err}: its upload is kept for the next one, if S3 was
 * away, else aborted.  Locks: none. */
void parts_failed(struct entry *e, int err);

/* It was completed: forget it.  Locks: none. */
void parts_forget(struct entry *e);

#endif
