/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts_upload.h - private to parts*.c: the multipart upload of one file.
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
	struct row row;     /* owned: as it was begun */
	struct part *parts; /* owned */
	size_t count;
	uint64_t number;  /* of the entry's uploads: this one's */
	unsigned senders; /* tasks posted or running */
	unsigned running; /* of them, at work: they are waited for */
	int err;          /* it cannot be completed */
};

#endif
