/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rangeset.c - sorted, disjoint byte ranges.
 *
 * Role:    pure bookkeeping for chunk files.
 * Owns:    the array of a struct rangeset.  Threads: none of its own.
 *
 * All changes are one splice: the ranges [first, last) that the new range
 * touches give way to zero, one or two others.
 */
#include "cache/rangeset.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"

#define SIZE_FIRST  4    /* ranges in the first allocation */
#define VARINT_MAX  10   /* bytes of a 64-bit number */
#define VARINT_MORE 0x80 /* another byte follows */

void
rangeset_init(struct rangeset *rs)
{
	memset(rs, 0, sizeof(*rs));
}

void
rangeset_fini(struct rangeset *rs)
{
	free(rs->ranges);
	rangeset_init(rs);
}

void
rangeset_clear(struct rangeset *rs)
{
	rs->count = 0;
	rs->bytes = 0;
}

static int
reserve(struct rangeset *rs, size_t count)
{
	size_t size = rs->size > 0 ? rs->size : SIZE_FIRST;
	struct range *ranges;

	if (count <= rs->size)
		return 0;
	while (size < count)
		size *= 2;
	ranges = reallocarray(rs->ranges, size, sizeof(*ranges));
	if (ranges == NULL)
		return -ENOMEM;
	rs->ranges = ranges;
	rs->size = size;
	return 0;
}

int
rangeset_copy(struct rangeset *dst, const struct rangeset *src)
{
	int r;

	if (dst == src)
		return 0;
	r = reserve(dst, src->count);
	if (r < 0)
		return r;
	if (src->count > 0)
		memcpy(dst->ranges, src->ranges,
		    src->count * sizeof(*src->ranges));
	dst->count = src->count;
	dst->bytes = src->bytes;
	return 0;
}

/* The index of the first range whose end is at least ${pos}, or count. */
static size_t
find_end(const struct rangeset *rs, uint64_t pos)
{
	size_t lo = 0, hi = rs->count, mid;

	/* Most calls append: look at the tail first. */
	if (hi == 0 || rs->ranges[hi - 1].end < pos)
		return hi;
	if (hi == 1 || rs->ranges[hi - 2].end < pos)
		return hi - 1;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (rs->ranges[mid].end < pos)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The index of the first range from ${i} on whose start is after ${pos}. */
static size_t
find_off(const struct rangeset *rs, size_t i, uint64_t pos)
{
	size_t lo = i, hi = rs->count, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (rs->ranges[mid].off <= pos)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint64_t
sum(const struct range *ranges, size_t count)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < count; i++)
		bytes += ranges[i].end - ranges[i].off;
	return bytes;
}

/* Let ${count} ranges at ${new} take the place of those in [first, last). */
static int
splice(struct rangeset *rs, size_t first, size_t last, const struct range *new,
    size_t count)
{
	size_t kept = rs->count - (last - first);
	int r;

	r = reserve(rs, kept + count);
	if (r < 0)
		return r;
	rs->bytes -= sum(rs->ranges + first, last - first);
	rs->bytes += sum(new, count);
	if (first + count != last && last < rs->count)
		memmove(rs->ranges + first + count, rs->ranges + last,
		    (rs->count - last) * sizeof(*rs->ranges));
	if (count > 0)
		memcpy(rs->ranges + first, new, count * sizeof(*new));
	rs->count = kept + count;
	return 0;
}

int
rangeset_add(struct rangeset *rs, uint64_t off, uint64_t end)
{
	struct range new = { .off = off, .end = end };
	size_t first, last;

	assert(off <= end);
	if (off == end)
		return 0;
	first = find_end(rs, off);
	last = find_off(rs, first, end);
	if (first < last) {
		if (rs->ranges[first].off < off)
			new.off = rs->ranges[first].off;
		if (rs->ranges[last - 1].end > end)
			new.end = rs->ranges[last - 1].end;
	}
	return splice(rs, first, last, &new, 1);
}

int
rangeset_add_all(struct rangeset *rs, const struct rangeset *other)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < other->count; i++)
		r = rangeset_add(
		    rs, other->ranges[i].off, other->ranges[i].end);
	return r;
}

int
rangeset_remove(struct rangeset *rs, uint64_t off, uint64_t end)
{
	struct range rest[2];
	size_t first, last, count = 0;

	assert(off <= end);
	if (off == end)
		return 0;
	/* Those that only touch [off, end) stay: end > off, off < end. */
	first = off < UINT64_MAX ? find_end(rs, off + 1) : rs->count;
	last = find_off(rs, first, end - 1);
	if (first == last)
		return 0;
	if (rs->ranges[first].off < off)
		rest[count++] = (struct range){ rs->ranges[first].off, off };
	if (rs->ranges[last - 1].end > end)
		rest[count++] = (struct range){ end, rs->ranges[last - 1].end };
	return splice(rs, first, last, rest, count);
}

bool
rangeset_next_run(const struct rangeset *rs, uint64_t off, uint64_t end,
    uint64_t *ret_off, uint64_t *ret_end)
{
	const struct range *range;
	size_t i;

	if (off >= end)
		return false;
	i = find_end(rs, off + 1);
	if (i == rs->count || rs->ranges[i].off >= end)
		return false;
	range = &rs->ranges[i];
	*ret_off = range->off > off ? range->off : off;
	*ret_end = range->end < end ? range->end : end;
	return true;
}

bool
rangeset_next_gap(const struct rangeset *rs, uint64_t off, uint64_t end,
    uint64_t *ret_off, uint64_t *ret_end)
{
	size_t i;

	if (off >= end)
		return false;
	i = find_end(rs, off + 1);
	if (i < rs->count && rs->ranges[i].off <= off) {
		if (rs->ranges[i].end >= end)
			return false;
		off = rs->ranges[i].end;
		i++;
	}
	*ret_off = off;
	*ret_end = end;
	if (i < rs->count && rs->ranges[i].off < end)
		*ret_end = rs->ranges[i].off;
	return true;
}

bool
rangeset_has(const struct rangeset *rs, uint64_t off, uint64_t end)
{
	uint64_t gap_off, gap_end;

	return !rangeset_next_gap(rs, off, end, &gap_off, &gap_end);
}

bool
rangeset_has_any(const struct rangeset *rs, uint64_t off, uint64_t end)
{
	uint64_t run_off, run_end;

	return rangeset_next_run(rs, off, end, &run_off, &run_end);
}

static size_t
put_number(uint8_t *p, uint64_t value)
{
	size_t len = 0;

	while (value >= VARINT_MORE) {
		p[len++] = (uint8_t)(value | VARINT_MORE);
		value >>= 7;
	}
	p[len++] = (uint8_t)value;
	return len;
}

/* The number at ${p}; its length, or 0 if there is none or it has more bytes
 * or bits than it should. */
static size_t
get_number(const uint8_t *p, size_t len, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < len && i < VARINT_MAX; i++) {
		value |= (uint64_t)(p[i] & (VARINT_MORE - 1)) << (7 * i);
		if ((p[i] & VARINT_MORE) != 0)
			continue;
		if (i > 0 && p[i] == 0)
			return 0; /* longer than needed */
		if (i == VARINT_MAX - 1 && p[i] > 1)
			return 0; /* over 64 bits */
		*ret = value;
		return i + 1;
	}
	return 0;
}

int
rangeset_pack(const struct rangeset *rs, struct buf *ret)
{
	uint8_t bytes[2 * VARINT_MAX];
	uint64_t next = 0; /* where the next range may start at the earliest */
	const struct range *range;
	size_t i, len;
	int r;

	for (i = 0; i < rs->count; i++) {
		range = &rs->ranges[i];
		len = put_number(bytes, range->off - next);
		len += put_number(bytes + len, range->end - range->off - 1);
		r = buf_add(ret, bytes, len);
		if (r < 0)
			return r;
		next = range->end + 1;
	}
	return 0;
}

/* Take one range off the front of ${*p}; ${prev}: the one before, or NULL. */
static int
read_range(
    const uint8_t **p, size_t *len, const struct range *prev, struct range *ret)
{
	uint64_t next = 0, gap, more;
	size_t used;

	if (prev != NULL) {
		if (prev->end == UINT64_MAX)
			return -EBADMSG;
		next = prev->end + 1;
	}
	used = get_number(*p, *len, &gap);
	if (used == 0 || gap > UINT64_MAX - next)
		return -EBADMSG;
	ret->off = next + gap;
	*p += used;
	*len -= used;
	used = get_number(*p, *len, &more);
	if (used == 0 || more >= UINT64_MAX - ret->off)
		return -EBADMSG;
	ret->end = ret->off + more + 1;
	*p += used;
	*len -= used;
	return 0;
}

int
rangeset_unpack(const void *data, size_t len, struct rangeset *rs)
{
	const uint8_t *p = data;
	struct rangeset new;
	struct range range;
	int r = 0;

	rangeset_init(&new);
	while (len > 0 && r == 0) {
		r = read_range(&p, &len,
		    new.count > 0 ? &new.ranges[new.count - 1] : NULL, &range);
		if (r == 0)
			r = splice(&new, new.count, new.count, &range, 1);
	}
	if (r < 0) {
		rangeset_fini(&new);
		return r;
	}
	rangeset_fini(rs);
	*rs = new;
	return 0;
}
