/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head.h - the head of an HTTP answer: status line and header lines.
 *
 * Calling sequence:
 *	head_init(&h);
 *	r = head_add(&h, line, len);	for each line, in order
 *	... h.status, h.object.etag, ...
 *	head_fini(&h);
 *
 * Whatever the server sends, what is kept is bounded.  Lines that are not
 * understood are ignored.  No locks.
 */
#ifndef S3_HEAD_H
#define S3_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/digest.h"
#include "s3/s3.h"

#define HEAD_TOTAL_UNKNOWN UINT64_MAX

struct head {
	unsigned status; /* 0: no status line yet */
	bool has_length;
	uint64_t length; /* Content-Length */
	bool has_range;
	uint64_t range_first; /* Content-Range, inclusive */
	uint64_t range_last;
	uint64_t range_total; /* HEAD_TOTAL_UNKNOWN: "*" */
	int64_t date_ns;      /* Date, wall; 0: not given */
	int64_t retry_ms;     /* Retry-After, x-amz-retry-after; -1: none */
	char request_id[64];
	char region[64]; /* x-amz-bucket-region */
	char checksums[DIGEST_KIND_COUNT][DIGEST_VALUE_SIZE]; /* x-amz-... */
	char checksum_type[16];
	struct s3_object object; /* owned strings; size is not set */
	size_t bytes;            /* kept so far */
};

void head_init(struct head *h);

/* Free what ${h} holds; it is as after head_init(). */
void head_fini(struct head *h);

/**
 * head_add(h, line, len):
 * Take one line, its line end included.  A new status line (after 100
 * Continue) forgets all before it.
 * Returns: 0; -ENOMEM; -EOVERFLOW: more than any S3 answer has.
 */
int head_add(struct head *h, const char *line, size_t len);

/* Free the strings of ${object} and make it empty. */
void object_fini(struct s3_object *object);

#endif
