/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space.h - how much of the disk is used: present, reserved, database.
 *
 * Bytes are set aside before they are written (evict.h), and counted as
 * present when they are.  Threads: any; no lock.
 */
#ifndef CACHE_SPACE_H
#define CACHE_SPACE_H

#include <stdatomic.h>
#include <stdint.h>

struct space {
	_Atomic uint64_t present;  /* bytes in chunk files */
	_Atomic uint64_t reserved; /* bytes on their way there */
};

static inline void
space_reserve(struct space *s, uint64_t len)
{
	atomic_fetch_add(&s->reserved, len);
}

/* ${len} bytes set aside are not needed after all. */
void space_release(struct space *s, uint64_t len);

/* Of the bytes set aside, ${len} are present now. */
void space_filled(struct space *s, uint64_t len);

/* ${len} bytes are present no more. */
void space_freed(struct space *s, uint64_t len);

/* What was ${before} bytes is ${after} bytes now. */
void space_changed(struct space *s, uint64_t before, uint64_t after);

#endif
