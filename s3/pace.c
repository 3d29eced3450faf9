/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace.c - limits of bytes and requests a second, shared by all transfers.
 */
#include "s3/pace.h"

#include <string.h>

#define UNIT       1000  /* of a token, for a ms to bring a whole number */
#define BURST_PART 10    /* of a second's tokens are kept, */
#define BURST_MIN  16384 /* bytes at least: as many come in one piece */
#define STEP_PART  100   /* of a second's tokens move at once, */
#define STEP_MIN   1024  /* bytes at least */
#define STEP_MAX   65536
#define SHARE      4 /* which turn is the background's */
#define FOREGROUND 0
#define BACKGROUND 1

/* ${step}, ${full}: in tokens. */
static void
bucket_init(struct pace_bucket *b, uint64_t per_s, uint64_t step, uint64_t full,
    int64_t now)
{
	b->per_s = per_s;
	b->step = (int64_t)step * UNIT;
	b->full = (int64_t)full * UNIT;
	b->level = b->full;
	b->at_ms = now;
}

static void
bytes_init(struct pace_bucket *b, uint64_t per_s, int64_t now)
{
	uint64_t step = per_s / STEP_PART, full = per_s / BURST_PART;

	if (step < STEP_MIN)
		step = STEP_MIN;
	if (step > STEP_MAX)
		step = STEP_MAX;
	if (full < BURST_MIN)
		full = BURST_MIN;
	bucket_init(b, per_s, step, full, now);
}

/* Let the time since it was looked at fill ${b}. */
static void
fill(struct pace_bucket *b, int64_t now)
{
	int64_t room = b->full - b->level, ms = now - b->at_ms;
	int64_t per_ms = (int64_t)b->per_s; /* in 1/UNIT */

	if (per_ms == 0 || ms <= 0)
		return;
	b->at_ms = now;
	if (ms > room / per_ms)
		b->level = b->full;
	else
		b->level += ms * per_ms;
}

/* In how many ms something may move; 0: now. */
static int64_t
wait_ms(struct pace_bucket *b, int64_t now)
{
	int64_t per_ms = (int64_t)b->per_s;

	fill(b, now);
	if (per_ms == 0 || b->level >= b->step)
		return 0;
	return (b->step - b->level + per_ms - 1) / per_ms;
}

static void
take(struct pace_bucket *b, uint64_t n)
{
	if (b->per_s != 0)
		b->level -= (int64_t)n * UNIT;
}

void
pace_init(struct pace *p, const struct pace_limits *limits, int64_t now)
{
	const struct pace_limits none = { .requests_s = 0 };
	const struct pace_limits *l = limits == NULL ? &none : limits;

	memset(p, 0, sizeof(*p));
	bucket_init(&p->requests, l->requests_s, 1,
	    l->requests_s / BURST_PART + 1, now);
	for (int way = 0; way < PACE_WAYS; way++) {
		bytes_init(&p->way[way].bucket, l->bytes_s[way], now);
		list_init(&p->way[way].held[FOREGROUND]);
		list_init(&p->way[way].held[BACKGROUND]);
	}
}

bool
pace_is_set(const struct pace *p)
{
	return p->requests.per_s != 0 || p->way[PACE_UP].bucket.per_s != 0 ||
	       p->way[PACE_DOWN].bucket.per_s != 0;
}

void
pace_hold_init(struct pace_hold *hold, bool background)
{
	memset(hold, 0, sizeof(*hold));
	hold->background = background;
	for (int way = 0; way < PACE_WAYS; way++)
		list_init(&hold->way[way].link);
}

int64_t
pace_request_ms(struct pace *p, int64_t now)
{
	return wait_ms(&p->requests, now);
}

void
pace_request(struct pace *p, int64_t now)
{
	fill(&p->requests, now);
	take(&p->requests, 1);
}

static void
hold_on(struct pace *p, struct pace_hold *hold, enum pace_way way, int64_t now)
{
	struct list *held = p->way[way].held;

	hold->way[way].since_ms = now;
	list_append(&held[hold->background ? BACKGROUND : FOREGROUND],
	    &hold->way[way].link);
	p->way[way].held_count++;
}

size_t
pace_ask(struct pace *p, struct pace_hold *hold, enum pace_way way, size_t len,
    int64_t now)
{
	struct pace_bucket *b = &p->way[way].bucket;
	uint64_t *grant = &hold->way[way].grant;
	uint64_t have;

	if (b->per_s == 0)
		return len;
	have = *grant;
	if (have == 0 && p->way[way].held_count == 0 && wait_ms(b, now) == 0)
		have = (uint64_t)(b->level / UNIT);
	if (have == 0) {
		hold_on(p, hold, way, now);
		return 0;
	}
	if (way == PACE_UP && len > have)
		len = (size_t)have;
	/* What was granted is out of the bucket already. */
	if (len <= *grant) {
		*grant -= len;
	} else {
		take(b, len - *grant);
		*grant = 0;
	}
	return len;
}

void
pace_return(struct pace *p, enum pace_way way, size_t len)
{
	struct pace_bucket *b = &p->way[way].bucket;

	if (b->per_s == 0)
		return;
	b->level += (int64_t)len * UNIT;
	if (b->level > b->full)
		b->level = b->full;
}

/* Whose turn it is, ${way}: somebody is held. */
static struct list *
turn(struct pace *p, enum pace_way way)
{
	struct list *held = p->way[way].held;
	bool back = ++p->way[way].turns % SHARE == 0;

	if (list_is_empty(&held[back ? BACKGROUND : FOREGROUND]))
		back = !back;
	p->way[way].held_count--;
	return list_pop(&held[back ? BACKGROUND : FOREGROUND]);
}

struct pace_hold *
pace_next(struct pace *p, int64_t now, enum pace_way *ret_way)
{
	for (int way = 0; way < PACE_WAYS; way++) {
		struct pace_bucket *b = &p->way[way].bucket;
		unsigned count = p->way[way].held_count;
		struct pace_hold *hold;
		int64_t share;

		if (count == 0 || wait_ms(b, now) > 0)
			continue;
		share = b->level / count;
		if (share < b->step)
			share = b->step;
		hold =
		    LIST_ENTRY(turn(p, way), struct pace_hold, way[way].link);
		hold->way[way].grant = (uint64_t)(share / UNIT);
		take(b, hold->way[way].grant);
		*ret_way = way;
		return hold;
	}
	return NULL;
}

int64_t
pace_next_ms(struct pace *p, int64_t now)
{
	int64_t best = -1;

	for (int way = 0; way < PACE_WAYS; way++) {
		int64_t ms;

		if (p->way[way].held_count == 0)
			continue;
		ms = wait_ms(&p->way[way].bucket, now);
		if (best < 0 || ms < best)
			best = ms;
	}
	return best;
}

bool
pace_is_held(const struct pace_hold *hold)
{
	return !list_is_empty(&hold->way[PACE_UP].link) ||
	       !list_is_empty(&hold->way[PACE_DOWN].link);
}

void
pace_leave(struct pace *p, struct pace_hold *hold)
{
	for (int way = 0; way < PACE_WAYS; way++) {
		if (!list_is_empty(&hold->way[way].link)) {
			list_remove(&hold->way[way].link);
			p->way[way].held_count--;
		}
		pace_return(p, way, (size_t)hold->way[way].grant);
		hold->way[way].grant = 0;
	}
}
