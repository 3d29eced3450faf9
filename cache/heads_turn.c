/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heads_turn.c - who goes through directories, one entry after the other, and
 * how many of the next entries to ask about; pure.
 */
#include <stddef.h>

#include "cache/heads_turn.h"

#define FIRST_AHEAD 16 /* once somebody seems to be in turn */

static struct heads_turn *
turn_of(struct heads_turns *t, uint64_t dir)
{
	for (int i = 0; i < HEADS_TURNS; i++) {
		if (t->turns[i].dir == dir)
			return &t->turns[i];
	}
	return NULL;
}

/* Who went through a sibling of the directory will go through it, too. */
static void
inherit(const struct heads_turn *from, struct heads_turn *turn)
{
	turn->window = from->window;
	turn->types_only = from->types_only;
	if (from->asked_dir >= turn->dir) {
		turn->asked_dir = from->asked_dir;
		turn->asked_to = from->asked_to;
	}
}

/* The first one is wanted in a directory: forget the oldest turn. */
static struct heads_turn *
new_turn(struct heads_turns *t, const struct row *row, uint64_t above)
{
	struct heads_turn *oldest = &t->turns[0], *sibling = NULL;
	struct heads_turn new = { .dir = row->parent,
		.above = above,
		.asked_dir = row->parent,
		.asked_to = row->id };

	for (int i = 0; i < HEADS_TURNS; i++) {
		struct heads_turn *turn = &t->turns[i];

		if (turn->used < oldest->used)
			oldest = turn;
		if (turn->above == above && turn->hits >= 2 &&
		    (sibling == NULL || turn->used > sibling->used))
			sibling = turn;
	}
	if (sibling != NULL)
		inherit(sibling, &new);
	*oldest = new;
	return oldest;
}

/* ${row} was wanted after turn->last. */
static void
go_on(struct heads_turn *turn, const struct row *row)
{
	turn->hits++;
	/* A listing tells of directories, too: a walk that only began needs
	 * no more of them. */
	if (row->kind == ROW_DIR && turn->hits < 2)
		return;
	turn->window = turn->window == 0 ? FIRST_AHEAD : HEADS_AHEAD;
}

/* ${row} begins anew, or is of another sort than those asked ahead. */
static void
ask_from(struct heads_turn *turn, const struct row *row)
{
	turn->asked_dir = row->parent;
	turn->asked_to = row->id;
	turn->types_only = row->kind == ROW_UNKNOWN;
}

static void
set_lead(struct heads_turn *turn)
{
	unsigned times = turn->hits < HEADS_LEAD ? turn->hits : HEADS_LEAD;

	turn->lead = turn->window * (times > 0 ? times : 1);
}

const struct heads_turn *
heads_turn_take(struct heads_turns *t, const struct row *row,
    const struct heads_place *place)
{
	struct heads_turn *turn = turn_of(t, row->parent);

	if (turn == NULL) {
		turn = new_turn(t, row, place->above);
		turn->types_only = row->kind == ROW_UNKNOWN;
	} else if (row->id > turn->last) {
		go_on(turn, row);
	} else if (row->id < turn->last) {
		turn->window = 0;
		turn->hits = 0;
		ask_from(turn, row);
	}
	if (turn->types_only && row->kind != ROW_UNKNOWN)
		ask_from(turn, row);
	if (turn->asked_dir == row->parent && turn->asked_to < row->id)
		turn->asked_to = row->id;
	if (turn->window == 0 && place->is_first)
		turn->window = FIRST_AHEAD;
	turn->last = row->id;
	turn->used = ++t->clock;
	set_lead(turn);
	return turn;
}

const struct heads_turn *
heads_turn_last(const struct heads_turns *t)
{
	for (int i = 0; i < HEADS_TURNS; i++) {
		if (t->clock != 0 && t->turns[i].used == t->clock)
			return &t->turns[i];
	}
	return NULL;
}

unsigned
heads_turn_room(const struct heads_turn *turn, unsigned under_way)
{
	unsigned room = turn->window > under_way ? turn->window - under_way : 0;

	if (room >= turn->lead)
		return turn->lead;
	return room < turn->window / 4 ? 0 : room;
}

void
heads_turn_asked(struct heads_turns *t, const struct heads_turn *was,
    const struct heads_turn *now, unsigned count)
{
	struct heads_turn *turn = turn_of(t, was->dir);

	if (turn == NULL || turn->asked_dir != was->asked_dir ||
	    turn->asked_to != was->asked_to)
		return;
	turn->asked_dir = now->asked_dir;
	turn->asked_to = now->asked_to;
	turn->lead -= count < turn->lead ? count : turn->lead;
}
