/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace.h - limits of bytes and requests a second, shared by all transfers.
 *
 * A limit is a bucket of tokens: it fills at the limit's rate, holds what a
 * tenth of a second brings (of bytes, 16 KiB at least), and may be overdrawn
 * by what comes in one piece.  Who finds it empty is held, and gets its turn
 * in order: those in the foreground first, but every fourth turn is one of the
 * background's, for a connection that never moves is closed by its server.
 *
 * Pure: the time is told by the caller, in monotonic ms.  Of one thread.
 */
#ifndef S3_PACE_H
#define S3_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/list.h"

enum pace_way {
	PACE_UP,
	PACE_DOWN,
	PACE_WAYS
};

/* What is set; 0: no limit. */
struct pace_limits {
	uint64_t bytes_s[PACE_WAYS]; /* of bodies */
	uint64_t requests_s;
};

struct pace_bucket {
	uint64_t per_s; /* 0: no limit */
	int64_t step;   /* so much is there before anything moves */
	int64_t full;   /* the most that is kept; this and next in 1/1000 */
	int64_t level;  /* as of at_ms; below 0: overdrawn */
	int64_t at_ms;
};

struct pace {
	struct pace_bucket requests;
	struct {
		struct pace_bucket bucket;
		struct list held[2]; /* foreground, background */
		unsigned held_count;
		unsigned turns;
	} way[PACE_WAYS];
};

/* One transfer's part in it. */
struct pace_hold {
	bool background;
	struct {
		struct list link;
		int64_t since_ms; /* that it is held, if link is in a list */
		uint64_t grant;   /* bytes that it has for its turn */
	} way[PACE_WAYS];
};

/* ${limits} NULL: none. */
void pace_init(struct pace *p, const struct pace_limits *limits, int64_t now);

/* Is there any limit? */
bool pace_is_set(const struct pace *p);

void pace_hold_init(struct pace_hold *hold, bool background);

/* Returns: in how many ms the next request may leave; 0: now. */
int64_t pace_request_ms(struct pace *p, int64_t now);

/* A request leaves, whether it may or not. */
void pace_request(struct pace *p, int64_t now);

/**
 * pace_ask(p, hold, way, len, now):
 * ${hold} has ${len} (1 or more) bytes to move; those down in one piece.
 * Returns: how many it may, which are taken; 0: it is held from now on.
 */
size_t pace_ask(struct pace *p, struct pace_hold *hold, enum pace_way way,
    size_t len, int64_t now);

/* Give back ${len} bytes that were taken and did not move. */
void pace_return(struct pace *p, enum pace_way way, size_t len);

/**
 * pace_next(p, now, ret_way):
 * Who is to go on, ${*ret_way}; it is held no more and has some bytes for that.
 * Returns: NULL: nobody now.
 */
struct pace_hold *pace_next(
    struct pace *p, int64_t now, enum pace_way *ret_way);

/* Returns: in how many ms pace_next() finds somebody; -1: nobody is held. */
int64_t pace_next_ms(struct pace *p, int64_t now);

/* Is ${hold} held in any way? */
bool pace_is_held(const struct pace_hold *hold);

/* ${hold} moves nothing any more: what it has is for the others. */
void pace_leave(struct pace *p, struct pace_hold *hold);

#endif
