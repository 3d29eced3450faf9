/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heads_turn.h - who goes through directories, one entry after the other, and
 * how many of the next entries to ask about; pure.
 *
 * Locks: none; the caller's lock guards all.
 */
#ifndef CACHE_HEADS_TURN_H
#define CACHE_HEADS_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/db.h"

#define HEADS_AHEAD 64 /* under way at once */
#define HEADS_TURNS 4  /* directories that somebody goes through */

/* Somebody goes through a directory. */
struct heads_turn {
	uint64_t dir;
	uint64_t above;     /* its parent */
	uint64_t used;      /* value of the clock */
	uint64_t last;      /* id of the last one wanted */
	unsigned hits;      /* wanted one after the other */
	unsigned window;    /* 0: nobody is in turn yet */
	bool types_only;    /* asked ahead is what has no type */
	uint64_t asked_dir; /* where it is asked ahead: dir, or one */
	uint64_t asked_to;  /* behind it; up to this id */
};

struct heads_turns {
	struct heads_turn turns[HEADS_TURNS];
	uint64_t clock;
};

/* Where the entry that is wanted stands. */
struct heads_place {
	uint64_t above; /* the parent of its parent */
	bool is_first;  /* no other stands before it */
};

/**
 * heads_turn_take(t, row, place, ret):
 * Note that ${row} is wanted.
 * Returns: how many of the next ones may be under way; ${*ret}: a copy of the
 *     turn.
 */
unsigned heads_turn_take(struct heads_turns *t, const struct row *row,
    const struct heads_place *place, struct heads_turn *ret);

/* Note that ${was} has been gone on with, as far as ${now} says; unless
 * somebody else has done so meanwhile. */
void heads_turn_asked(struct heads_turns *t, const struct heads_turn *was,
    const struct heads_turn *now);

#endif
