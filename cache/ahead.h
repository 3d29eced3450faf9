/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead.h - read-ahead policy; pure.
 *
 * For each read of an open file, which range should be local or on its way.
 * A file has a few streams, each a position that readers follow (a player
 * reads the head, then the tail, then goes on from the head).
 *
 *	a read at 0 of an unread file	the first part (8 MiB)
 *	a read that follows a stream	up to the stream's window further on
 *	any other read			the blocks it touches, no more
 *
 * A stream that began at 0 has a window of one part, one that began elsewhere
 * of one block; it doubles each time its reader has to wait although it went
 * on in sequence: so it grows until the link is full and no further.
 * Locks: none; the caller guards.
 */
#ifndef CACHE_AHEAD_H
#define CACHE_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#define AHEAD_STREAMS 4
#define AHEAD_BLOCK   ((uint64_t)128 << 10)
#define AHEAD_PART    ((uint64_t)8 << 20)

/* What is no larger is asked for as a whole, and held back until it was
 * checked.  That costs the reader of a MiB 12 ms at the 85 MB/s of a
 * connection, less than a round trip over a wide area; 8 MiB would be felt. */
#define AHEAD_WHOLE ((uint64_t)1 << 20)

struct ahead_stream {
	uint64_t next;    /* where a read in sequence begins */
	uint64_t window;  /* bytes; 0: the stream is not in use */
	uint64_t used;    /* value of the clock when it was last followed */
	bool is_followed; /* it has been at least once */
};

struct ahead {
	struct ahead_stream streams[AHEAD_STREAMS];
	uint64_t clock; /* reads so far */
};

/* What should be fetched: [off, end), in whole blocks (but for the end of the
 * file).  ${demand_end}: up to here it is needed by the read itself. */
struct ahead_want {
	uint64_t off;
	uint64_t end;
	uint64_t demand_end;
};

/**
 * ahead_read(a, off, len, size, limit, ret):
 * Take note of a read of ${len} bytes (more than 0) at ${off}, inside a file
 * of ${size} bytes; say what to fetch, with at most ${limit} bytes ahead.
 * Returns: the stream, for ahead_stall(); NULL: it follows none.
 */
struct ahead_stream *ahead_read(struct ahead *a, uint64_t off, uint64_t len,
    uint64_t size, uint64_t limit, struct ahead_want *ret);

/* The reader of ${s} (NULL is fine) had to wait: look further ahead. */
void ahead_stall(struct ahead_stream *s, uint64_t limit);

/* Where the piece that begins at ${off} ends: at the next part border, or
 * at ${end}. */
uint64_t ahead_piece_end(uint64_t off, uint64_t end);

#endif
