/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk_hole.c - where the file of a chunk has no blocks, and how much room the
 * rest takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
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

/* ---- how much room the rest takes ---- */

/* What filesystems give blocks for, mostly. */
#define PAGE ((uint64_t)4096)

static uint64_t
page_start(uint64_t off)
{
	return off / PAGE * PAGE;
}

static uint64_t
page_end(uint64_t off)
{
	return page_start(off + PAGE - 1);
}

uint64_t
chunk_room(const struct chunk *ch)
{
	return rangeset_bytes(&ch->present) - rangeset_bytes(&ch->holes);
}

uint64_t
chunk_room_of(const struct chunk *ch, const struct rangeset *some)
{
	uint64_t room = rangeset_bytes(some), off, end;

	for (size_t i = 0; i < ch->holes.count; i++) {
		const struct range *hole = &ch->holes.ranges[i];

		off = hole->off;
		while (rangeset_next_run(some, off, hole->end, &off, &end)) {
			room -= end - off;
			off = end;
		}
	}
	return room;
}

bool
chunk_next_room(const struct chunk *ch, uint64_t off, uint64_t end,
    uint64_t *ret_off, uint64_t *ret_end)
{
	uint64_t run_end;

	while (rangeset_next_run(&ch->present, off, end, &off, &run_end)) {
		if (rangeset_next_gap(
			&ch->holes, off, run_end, ret_off, ret_end))
			return true;
		off = run_end;
	}
	return false;
}

int
chunk_add(struct chunk *ch, uint64_t off, uint64_t len)
{
	int r =
	    rangeset_remove(&ch->holes, page_start(off), page_end(off + len));

	ch->is_changed = true;
	return r == 0 ? rangeset_add(&ch->present, off, off + len) : r;
}

int
chunk_add_hole(struct chunk *ch, uint64_t off, uint64_t len)
{
	uint64_t first = page_end(off), end = page_start(off + len);
	int r = chunk_add(ch, off, len);

	if (r == 0 && first < end) /* without memory, it takes room */
		(void)rangeset_add(&ch->holes, first, end);
	return r;
}

void
chunk_cut(struct chunk *ch, uint64_t size)
{
	/* A tail: needs no memory. */
	(void)rangeset_remove(&ch->holes, size, UINT64_MAX);
	(void)rangeset_remove(&ch->present, size, UINT64_MAX);
	ch->is_changed = true;
}

void
chunk_find_holes(struct chunk *ch)
{
	struct stat st;

	rangeset_clear(&ch->holes);
	if (fstat(ch->fd, &st) < 0 ||
	    (uint64_t)st.st_blocks * 512 >= rangeset_bytes(&ch->present))
		return;
	for (size_t i = 0; i < ch->present.count; i++) {
		/* Without memory, those that are left take room. */
		if (chunk_holes(ch, &ch->present.ranges[i], PAGE, &ch->holes) <
		    0)
			return;
	}
}

/* ---- made ---- */

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
