/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heads_turn.h - who goes through directories, one entry after the other, and
 * how many of the next entries to ask about; pure.
 *
 * What is known already is not wanted any more, so that nobody tells how far
 * one has come through what was asked ahead.  So more is asked for, too, when
 * answers come, up to a lead that grows from one that is wanted to the next:
 * who waits at each is faster than S3, and the link stays full.
 *
 * Locks: none; the caller's lock guards all.
 */
#ifndef CACHE_HEADS_TURN_H
#define CACHE_HEADS_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/db.h"

#define HEADS_AHEAD 64 /* under way at once */
#define HEADS_LEAD  4  /* times as many, before another is wanted */
#define HEADS_TURNS 4  /* directories that somebody goes through */

/* Somebody goes through a directory. */
struct heads_turn {
	uint64_t dir;
	uint64_t above;     /* its parent */
	uint64_t used;      /* value of the clock */
	uint64_t last;      /* id of the last one wanted */
	unsigned hits;      /* wanted one after the other */
	unsigned window;    /* 0: nobody is in turn yet */
	unsigned lead;      /* that may be asked before the next is wanted */
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
 * heads_turn_take(t, row, place):
 * Note that ${row} is wanted: nothing is known of it yet.
 * Returns: its turn, valid until the next call.
 */
const struct heads_turn *heads_turn_take(struct heads_turns *t,
    const struct row *row, const struct heads_place *place);

/* The turn that was taken last, or NULL. */
const struct heads_turn *heads_turn_last(const struct heads_turns *t);

/**
 * heads_turn_room(turn, under_way):
 * How many to ask for ahead of ${turn}, while so many are under way: up to its
 * window, and not further than its lead.  In bunches, as it takes a scan.
 */
unsigned heads_turn_room(const struct heads_turn *turn, unsigned under_way);

/* Note that ${count} were asked for ahead of ${was}, which goes on at ${now};
 * unless somebody else has done so meanwhile. */
void heads_turn_asked(struct heads_turns *t, const struct heads_turn *was,
    const struct heads_turn *now, unsigned count);

#endif
