/* SPDX-License-Identifier: Apache-2.0 */
/*
 * absent.h - names that were looked for and are not there.
 *
 * A table of the last few thousand, with the time at which S3 was asked.  It
 * saves asking again for the negative_ttl, and tells which names the kernel
 * may still believe to be absent when they come to be seen.
 * Locks: its own, a leaf.
 */
#ifndef CACHE_ABSENT_H
#define CACHE_ABSENT_H

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/lock.h"

struct absent_slot;

struct absent {
	struct lock lock;
	struct absent_slot *slots; /* [lock] owned; NULL: none yet */
};

void absent_init(struct absent *a);
void absent_fini(struct absent *a);

/* Directory ${dir} had no ${name} when S3 was asked at ${asked_ms}, cache
 * clock.  What is later known already stays. */
void absent_note(
    struct absent *a, uint64_t dir, const char *name, int64_t asked_ms);

/* Forget all. */
void absent_clear(struct absent *a);

/* When S3 last said so; 0: not known. */
int64_t absent_asked_ms(struct absent *a, uint64_t dir, const char *name);

/* ${name} is there now.  Returns: whether it was thought not to be. */
bool absent_drop(struct absent *a, uint64_t dir, const char *name);

#endif
