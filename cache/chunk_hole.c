/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk_hole.c - where the file of a chunk has no blocks.
 */
#include <errno.h>
#include <fcntl.h>
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

/* Make a hole of [off, end). */
static int
make_hole(struct chunk *ch, uint64_t off, uint64_t end)
{
	if (fallocate(ch->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		(off_t)off, (off_t)(end - off)) < 0)
		return -errno;
	return 0;
}

void
chunk_trim(struct chunk *ch, uint64_t off, uint64_t end)
{
	uint64_t gap_off, gap_end;

	while (off < end &&
	       rangeset_next_gap(&ch->present, off, end, &gap_off, &gap_end)) {
		if (make_hole(ch, gap_off, gap_end) < 0)
			return; /* it only takes room */
		off = gap_end;
	}
}

int
chunk_punch(struct chunk *ch, uint64_t off, uint64_t end)
{
	uint64_t before = rangeset_bytes(&ch->present);
	int r = chunk_withdraw(ch, off, end);

	if (r < 0 || rangeset_bytes(&ch->present) == before)
		return r;
	return make_hole(ch, off, end);
}
