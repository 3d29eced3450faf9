/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow.h - which files of a directory a reader will want next; pure.
 *
 * Of a few directories the files are kept that should be read next, by name,
 * which is the order in which S3 lists them.  Whoever reads what was expected
 * three times in a row is believed to go on: then FOLLOW_FIRST files are worth
 * fetching ahead, twice as many after each further one, up to FOLLOW_MAX.  One
 * that was not expected is a wrong guess: nothing more is, until the reader has
 * been right again.  Several readers may share the work: which of the next
 * FOLLOW_REORDER comes first does not matter.
 *
 *	want = follow_read(f, dir, id, &turn);
 *	while (want-- > 0)	of the names after follow_last()
 *		follow_add(turn, next_id);
 *
 * Locks: none; the caller guards.
 */
#ifndef CACHE_FOLLOW_H
#define CACHE_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#define FOLLOW_TURNS   8
#define FOLLOW_SURE    2 /* right guesses before any file is fetched ahead */
#define FOLLOW_FIRST   4
#define FOLLOW_MAX     32
#define FOLLOW_REORDER 4

struct follow_turn {
	uint64_t dir;             /* 0: not in use */
	uint64_t used;            /* value of the clock */
	uint64_t last;            /* the file that was read last */
	unsigned right;           /* guesses, one after the other */
	unsigned count;           /* of ids */
	uint64_t ids[FOLLOW_MAX]; /* that should be read next, in order */
};

struct follow {
	struct follow_turn turns[FOLLOW_TURNS];
	uint64_t clock;
};

/**
 * follow_read(f, dir, id, ret):
 * File ${id} of directory ${dir} begins to be read; neither is 0.  ${*ret}:
 * the directory's turn, valid until the next call.
 * Returns: how many ids should be added to it, in bunches.
 */
unsigned follow_read(
    struct follow *f, uint64_t dir, uint64_t id, struct follow_turn **ret);

/* Whether what is added to ${turn} is worth fetching. */
bool follow_is_sure(const struct follow_turn *turn);

/* The last one that is expected: what is added comes after it; 0: after the
 * file that is read. */
uint64_t follow_last(const struct follow_turn *turn);

/* ${id} is expected, too; of those there are fewer than FOLLOW_MAX. */
void follow_add(struct follow_turn *turn, uint64_t id);

#endif
