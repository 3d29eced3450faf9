/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow.c - which files of a directory a reader will want next; pure.
 */
#include <stddef.h>
#include <string.h>

#include "cache/follow.h"

static struct follow_turn *
turn_of(struct follow *f, uint64_t dir)
{
	struct follow_turn *oldest = &f->turns[0];

	for (int i = 0; i < FOLLOW_TURNS; i++) {
		if (f->turns[i].dir == dir)
			return &f->turns[i];
		if (f->turns[i].used < oldest->used)
			oldest = &f->turns[i];
	}
	*oldest = (struct follow_turn){ .dir = dir };
	return oldest;
}

/* Where ${id} is among those expected first; -1: nowhere. */
static int
find(const struct follow_turn *turn, uint64_t id, unsigned among)
{
	for (unsigned i = 0; i < turn->count && i < among; i++) {
		if (turn->ids[i] == id)
			return (int)i;
	}
	return -1;
}

static void
take_out(struct follow_turn *turn, int at)
{
	turn->count--;
	memmove(&turn->ids[at], &turn->ids[at + 1],
	    (turn->count - (unsigned)at) * sizeof(turn->ids[0]));
}

/* How many files should be expected. */
static unsigned
window_of(const struct follow_turn *turn)
{
	unsigned window = FOLLOW_FIRST;

	if (!follow_is_sure(turn))
		return 1;
	for (unsigned n = FOLLOW_SURE; n < turn->right && window < FOLLOW_MAX;
	     n++)
		window *= 2;
	return window;
}

unsigned
follow_read(
    struct follow *f, uint64_t dir, uint64_t id, struct follow_turn **ret)
{
	struct follow_turn *turn = turn_of(f, dir);
	unsigned window;
	int at;

	*ret = turn;
	turn->used = ++f->clock;
	if (turn->last == id)
		return 0; /* the same again says nothing */
	turn->last = id;
	at = find(turn, id, FOLLOW_REORDER);
	if (at >= 0) {
		turn->right++;
		take_out(turn, at);
	} else {
		turn->right = 0;
		turn->count = 0;
	}
	window = window_of(turn);
	return turn->count > window / 2 ? 0 : window - turn->count;
}

bool
follow_is_sure(const struct follow_turn *turn)
{
	return turn->right >= FOLLOW_SURE;
}

uint64_t
follow_last(const struct follow_turn *turn)
{
	return turn->count == 0 ? 0 : turn->ids[turn->count - 1];
}

void
follow_add(struct follow_turn *turn, uint64_t id)
{
	turn->ids[turn->count++] = id;
}
