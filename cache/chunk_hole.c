/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk_hole.c - where the file of a chunk has no blocks.
 */
#include <errno.h>
#include <unistd.h>

#include "cache/chunk.h"

/* The first byte of the next hole at or after ${off}, at most ${end}. */
static uint64_t
next_hole(const struct chunk *ch, uint64_t off, uint64_t end)
{
	off_t at = lseek(ch->fd, (off_t)off, SEEK_HOLE);

	return at < 0 || (uint64_t)at > end ? end : (uint64_t)at;
}

/* Where the hole ends that may begin at ${off}; the end of the file is none. */
static uint64_t
hole_end(const struct chunk *ch, uint64_t off, uint64_t end)
{
	off_t at = lseek(ch->fd, (off_t)off, SEEK_DATA);

	if (at < 0 && errno == ENXIO)
		at = lseek(ch->fd, 0, SEEK_END);
	if (at < (off_t)off)
		return off; /* it cannot tell */
	return (uint64_t)at > end ? end : (uint64_t)at;
}

int
chunk_holes(struct chunk *ch, const struct range *within, uint64_t least,
    struct rangeset *ret)
{
	uint64_t off = within->off, hole;
	int r = 0;

	while (r == 0 && off < within->end) {
		hole = next_hole(ch, off, within->end);
		off = hole_end(ch, hole, within->end);
		if (off == hole)
			break; /* no more, or it cannot tell */
		if (off - hole >= least)
			r = rangeset_add(ret, hole, off);
	}
	return r;
}

bool
chunk_is_hole(struct chunk *ch, const struct range *within)
{
	return hole_end(ch, within->off, within->end) == within->end;
}
