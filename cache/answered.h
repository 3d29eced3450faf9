/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answered.h - what was asked of S3 for one step of a system call is not asked
 * again for the next.
 *
 * With a short ttl, stat(2) of a path reaches us as a lookup and a getattr,
 * open(2) and a read as a lookup, an open and a getattr or two: each would ask
 * S3.  Lookup and open note the node; what then comes without a lookup, within
 * a second, is answered by that.  A path is looked up anew each time.
 * Locks: its own, a leaf.
 */
#ifndef CACHE_ANSWERED_H
#define CACHE_ANSWERED_H

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/lock.h"

#define ANSWERED_SLOTS 256
#define ANSWERED_MS    1000 /* so long a note counts */

struct answered {
	struct lock lock;
	struct {
		uint64_t node;   /* 0: free */
		int64_t at_ms;   /* monotonic */
	} slots[ANSWERED_SLOTS]; /* [lock] by node */
};

void answered_init(struct answered *a);
void answered_fini(struct answered *a);

/* S3 was asked about ${node}, and the kernel is told so at ${now_ms}. */
void answered_note(struct answered *a, uint64_t node, int64_t now_ms);

/* What was answered about ${node} counts no more. */
void answered_forget(struct answered *a, uint64_t node);

/* Whether that was just now. */
bool answered_is_new(struct answered *a, uint64_t node, int64_t now_ms);

#endif
