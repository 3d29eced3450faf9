/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts_upload.h - private to parts*.c: the multipart upload of one file; that
 * entry.c forgets it when the mount ends, too.
 *
 * Locks: the entry's, as parts.h says.
 */
#ifndef CACHE_PARTS_UPLOAD_H
#define CACHE_PARTS_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/db.h"
#include "cache/plan.h"
#include "s3/s3.h"

/* Opaque types. */
struct entry;

enum part_state {
	PART_UNSENT,
	PART_SENDING,
	PART_SENT
};

struct part {
	struct plan_part plan;
	enum part_state state;
	bool is_wanted;      /* a flush has it in its plan, or it is complete */
	struct s3_part sent; /* owned, etag; PART_SENT */
};

/* All [e], but for what one sender works with. */
struct upload {
	char *key;     /* owned: it was begun for this one */
	char *id;      /* owned; NULL: not begun yet */
	uint64_t note; /* of sweep.h; 0: none */
	bool is_beginning;
	bool is_earlier; /* an earlier mount began it, and S3 was not asked yet
			    which parts it has */
	struct s3_part *found; /* owned, by number - 1: those; number 0: none,
				  or it was looked at */
	size_t found_count;
	struct row row;     /* owned: as it was begun */
	struct part *parts; /* owned */
	size_t count;
	uint64_t number;  /* of the entry's uploads: this one's */
	unsigned senders; /* tasks posted or running */
	unsigned running; /* of them, at work: they are waited for */
	int err;          /* it cannot be completed */
};

/* Nothing is aborted: the next mount may go on with it.  NULL is fine. */
void parts_upload_free(struct upload *u);

/* The entry has none, and gets one of ${key}; NULL: no memory. */
struct upload *parts_upload_new_locked(struct entry *e, const char *key);

/* Wait until something of the entry's state changes. */
void parts_wait_locked(struct entry *e);

/**
 * parts_look_locked(e):
 * If the upload of ${e} is an earlier mount's, ask S3 which parts it has, once;
 * if it is not there any more, it is one that was not begun yet.  The entry's
 * lock is held, and given up meanwhile.
 * Returns: 0; -errno, which is upload.err, too.
 */
int parts_look_locked(struct entry *e);

/* Whether ${err} says that S3 is away, rather than that it refuses. */
bool parts_is_away(int err);

/* If ${u} failed because S3 was away: it is tried again. */
void parts_forgive_locked(struct upload *u);

#endif
