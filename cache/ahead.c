/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead.c - read-ahead policy; pure.
 */
#include <stddef.h>

#include "cache/ahead.h"

/* The kernel's own read-ahead sends reads of one sequence out of order. */
#define REORDER ((uint64_t)2 << 20)

static uint64_t
round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How far behind its next byte a read may begin and still follow: one that
 * nobody followed yet is perhaps none. */
static uint64_t
gap_of(const struct ahead_stream *s)
{
	return s->is_followed || s->window >= AHEAD_PART
		   ? min_u64(s->window, REORDER)
		   : 0;
}

static struct ahead_stream *
find_stream(struct ahead *a, uint64_t off)
{
	for (int i = 0; i < AHEAD_STREAMS; i++) {
		struct ahead_stream *s = &a->streams[i];

		if (s->window == 0)
			continue;
		if (off + REORDER >= s->next && off <= s->next + gap_of(s))
			return s;
	}
	return NULL;
}

static struct ahead_stream *
new_stream(struct ahead *a, uint64_t window)
{
	struct ahead_stream *s = &a->streams[0];

	for (int i = 1; i < AHEAD_STREAMS; i++) {
		if (a->streams[i].used < s->used)
			s = &a->streams[i];
	}
	*s = (struct ahead_stream){ .window = window };
	return s;
}

static bool
is_following(const struct ahead_stream *s, uint64_t off, uint64_t len)
{
	return off + len > s->next;
}

/* ${want}, but not over the limit behind ${end}; and no part in two pieces, if
 * it can be. */
static uint64_t
within(uint64_t want, uint64_t end, uint64_t limit)
{
	uint64_t unit = limit >= AHEAD_PART ? AHEAD_PART : AHEAD_BLOCK;

	return want > end + limit ? (end + limit) / unit * unit : want;
}

struct ahead_stream *
ahead_read(struct ahead *a, uint64_t off, uint64_t len, uint64_t size,
    uint64_t limit, struct ahead_want *ret)
{
	struct ahead_stream *s = find_stream(a, off);
	uint64_t end = off + len, ahead = 0;
	bool follows = s != NULL;

	if (s == NULL)
		s = new_stream(a, off == 0 ? AHEAD_PART : AHEAD_BLOCK);
	s->used = ++a->clock;
	if (follows && is_following(s, off, len))
		s->is_followed = true;
	if (end > s->next)
		s->next = end;
	ret->off = off / AHEAD_BLOCK * AHEAD_BLOCK;
	ret->demand_end = min_u64(round_up(end, AHEAD_BLOCK), size);
	if (s->is_followed || off == 0)
		ahead = min_u64(s->window, limit);
	/* Whole parts once there are any: they are what is fetched. */
	if (ahead >= AHEAD_PART)
		ret->end =
		    round_up(s->is_followed ? end + ahead : ahead, AHEAD_PART);
	else
		ret->end = round_up(end + ahead, AHEAD_BLOCK);
	if (off == 0 && !s->is_followed)
		ret->end = min_u64(ret->end, round_up(ahead, AHEAD_BLOCK));
	ret->end = within(ret->end, end, limit);
	ret->end = min_u64(ret->end, size);
	if (ret->end < ret->demand_end)
		ret->end = ret->demand_end;
	return s->is_followed ? s : NULL;
}

void
ahead_stall(struct ahead_stream *s, uint64_t limit)
{
	if (s != NULL && s->window < limit)
		s->window = min_u64(s->window * 2, limit);
}

uint64_t
ahead_piece_end(uint64_t off, uint64_t end)
{
	return min_u64(end, (off / AHEAD_PART + 1) * AHEAD_PART);
}
