/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rangeset.h - sorted, disjoint byte ranges.
 *
 * A file has three of these: what is present, what is dirty, what is cloned.
 * Ranges are half-open, [off, end) with off < end; they never touch, so that
 * a set has exactly one form.  Adding at or behind the last range costs O(1),
 * all else a binary search and, at worst, moving what lies behind.
 *
 * Calling sequence:
 *	struct rangeset rs;
 *	rangeset_init(&rs);
 *	r = rangeset_add(&rs, off, end);
 *	while (rangeset_next_gap(&rs, off, end, &gap_off, &gap_end))
 *		... fetch it; off = gap_end ...
 *	rangeset_fini(&rs);
 *
 * Every range given has off <= end; off == end is the empty range.  A call
 * that returns -ENOMEM has changed nothing.  Pure; no locks.
 */
#ifndef CACHE_RANGESET_H
#define CACHE_RANGESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct buf;

struct range {
	uint64_t off; /* first byte */
	uint64_t end; /* the byte after the last, > off */
};

struct rangeset {
	struct range *ranges; /* owned; sorted, apart from each other */
	size_t count;         /* ranges used */
	size_t size;          /* ranges allocated */
	uint64_t bytes;       /* the sum of all lengths */
};

void rangeset_init(struct rangeset *rs);

/* Free what ${rs} holds; it is empty and may be used again. */
void rangeset_fini(struct rangeset *rs);

/* Make ${rs} empty, keep the memory. */
void rangeset_clear(struct rangeset *rs);

/* Make ${dst} (initialised) equal to ${src}.  Returns: 0 or -ENOMEM. */
int rangeset_copy(struct rangeset *dst, const struct rangeset *src);

/* Add [off, end), joining what it touches.  Returns: 0 or -ENOMEM. */
int rangeset_add(struct rangeset *rs, uint64_t off, uint64_t end);

/* Add all that is in ${other}.  Returns: likewise. */
int rangeset_add_all(struct rangeset *rs, const struct rangeset *other);

/* Take [off, end) out; a range cut in two needs memory: 0 or -ENOMEM.  To
 * cut off a tail (${end} UINT64_MAX) never needs memory. */
int rangeset_remove(struct rangeset *rs, uint64_t off, uint64_t end);

/* Whether all of [off, end) is in; the empty range is. */
bool rangeset_has(const struct rangeset *rs, uint64_t off, uint64_t end);

/* Whether any byte of [off, end) is in; of the empty range, none is. */
bool rangeset_has_any(const struct rangeset *rs, uint64_t off, uint64_t end);

/**
 * rangeset_next_gap(rs, off, end, ret_off, ret_end):
 * Find the first part of [off, end) that is absent, as long as it goes within
 * it.  rangeset_next_run() likewise: the first part that is present.
 * Returns: false if there is none; then the results are untouched.
 */
bool rangeset_next_gap(const struct rangeset *rs, uint64_t off, uint64_t end,
    uint64_t *ret_off, uint64_t *ret_end);
bool rangeset_next_run(const struct rangeset *rs, uint64_t off, uint64_t end,
    uint64_t *ret_off, uint64_t *ret_end);

/* How many bytes are in. */
static inline uint64_t
rangeset_bytes(const struct rangeset *rs)
{
	return rs->bytes;
}

static inline bool
rangeset_is_empty(const struct rangeset *rs)
{
	return rs->count == 0;
}

/**
 * rangeset_pack(rs, ret):
 * Append the compact form of ${rs} to ${ret}: for each range two numbers, the
 * gap before it and its length, each minus 1 (the first gap as it is), as
 * little-endian base-128 with the top bit set in all bytes but the last.  The
 * empty set is no bytes.
 * Returns: 0; -ENOMEM or -EOVERFLOW of ${ret}.
 */
int rangeset_pack(const struct rangeset *rs, struct buf *ret);

/**
 * rangeset_unpack(data, len, rs):
 * Make ${rs} (initialised) what rangeset_pack() wrote into ${data}, which may
 * be NULL if ${len} is 0.
 * Returns: 0; -EBADMSG it is no such form (cut off, over 64 bits, a number
 *     longer than needed); -ENOMEM.  Then ${rs} is unchanged.
 */
int rangeset_unpack(const void *data, size_t len, struct rangeset *rs);

#endif
