/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - how the next version of an object is built.
 *
 * Role:    pure; upload.c carries the plan out.  Threads: any; no locks.
 * S3:      "Amazon S3 multipart upload limits", API_UploadPartCopy.
 *
 * A *gap* is a run of bytes that did not change and could be a copy: at least
 * S3_PART_MIN long, or the end of the file.  A gap is either kept, less what
 * the windows beside it take of its ends, or dropped: uploaded with what lies
 * around it.  The window between two kept gaps that is too short to be a part
 * *needs* bytes of them.
 *
 * Which gaps to keep so that the fewest bytes go up is found from the left to
 * the right.  All that matters of the choices before a gap is what they cost
 * and how much the next window may still take from the left, its *slack*: of
 * the choices that end with this gap kept, those are followed that no other
 * beats in both.  There is a handful of them, for what one window can need is
 * less than S3_PART_MIN.  A dropped gap makes its window long enough for good,
 * so of the choices that end with it dropped only the cheapest is followed.
 *
 * Where that takes too many parts, the smallest gaps are no gaps.
 */
#include "cache/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/s3.h"

/* Choices followed from one gap to the next: the cheapest that dropped it,
 * and so many that kept it. */
#define KEPT_MAX 5
#define LIVE_MAX (1 + KEPT_MAX)

/* A choice for one gap, after choices for all before it. */
struct choice {
	uint64_t cost;    /* bytes that did not change and go up */
	uint64_t slack;   /* bytes that the next window may take */
	uint64_t at_off;  /* taken of its start, by the window before */
	uint64_t of_prev; /* taken of the end of the gap before */
	size_t prev;      /* index of the choice before */
	bool is_kept;
};

struct planner {
	uint64_t size;
	struct range *gaps; /* owned: all, the longest first */
	size_t gap_count;
	struct range *picked; /* owned: those in question, in order */
	size_t picked_count;
	struct choice *choices;       /* owned */
	struct choice next[KEPT_MAX]; /* of the gap at hand */
	size_t next_count;
	struct range *copies; /* owned: what is copied, in order */
	size_t copy_count;
};

static uint64_t
min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
divide_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

static uint64_t
length(const struct range *r)
{
	return r->end - r->off;
}

void
plan_fini(struct plan *p)
{
	free(p->parts);
	memset(p, 0, sizeof(*p));
}

static int
allocate(struct plan *p, size_t count)
{
	p->parts = calloc(count, sizeof(*p->parts));
	p->count = 0;
	return p->parts != NULL ? 0 : -ENOMEM;
}

static void
add_part(struct plan *p, uint64_t off, uint64_t end, bool is_copy)
{
	p->parts[p->count++] = (struct plan_part){
		.off = off, .len = end - off, .is_copy = is_copy
	};
}

/* The bytes that go up. */
static uint64_t
upload_bytes(const struct plan *p)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < p->count; i++)
		bytes += p->parts[i].is_copy ? 0 : p->parts[i].len;
	return bytes;
}

/* The parts of the schedule, copied where nothing of them changed. */
static int
plan_by_schedule(uint64_t size, uint64_t base_size,
    const struct rangeset *changed, uint64_t part_size, struct plan *ret)
{
	unsigned number, count = plan_schedule_at(size - 1, part_size);
	uint64_t off, len, end;
	bool is_copy;
	int r;

	if (count == 0)
		return -EFBIG;
	r = allocate(ret, count);
	if (r < 0)
		return r;
	for (number = 1; number <= count; number++) {
		plan_schedule(number, part_size, &off, &len);
		end = min(off + len, size);
		is_copy = base_size > S3_PART_COPY_FROM && end <= base_size &&
			  !rangeset_has_any(changed, off, end);
		add_part(ret, off, end, is_copy);
	}
	return 0;
}

static int
longest_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (length(x) != length(y))
		return length(x) > length(y) ? -1 : 1;
	return x->off < y->off ? -1 : 1;
}

static int
in_order(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->off < y->off ? -1 : 1;
}

/* All gaps.  The ranges of S3 copies are of sources over a size only. */
static int
find_gaps(struct planner *p, uint64_t base_size, const struct rangeset *changed)
{
	struct range gap;
	uint64_t off = 0;

	p->gaps = calloc(changed->count + 1, sizeof(*p->gaps));
	if (p->gaps == NULL)
		return -ENOMEM;
	if (base_size <= S3_PART_COPY_FROM)
		return 0;
	while (rangeset_next_gap(changed, off, base_size, &gap.off, &gap.end)) {
		if (length(&gap) >= S3_PART_MIN || gap.end == p->size)
			p->gaps[p->gap_count++] = gap;
		off = gap.end;
	}
	qsort(p->gaps, p->gap_count, sizeof(*p->gaps), longest_first);
	return 0;
}

static int
prepare(struct planner *p, uint64_t base_size, const struct rangeset *changed)
{
	size_t most;
	int r;

	r = find_gaps(p, base_size, changed);
	if (r < 0)
		return r;
	/* No plan copies from more gaps than it has parts. */
	most = p->gap_count < S3_PARTS_MAX ? p->gap_count : S3_PARTS_MAX;
	p->picked = calloc(most + 1, sizeof(*p->picked));
	p->copies = calloc(most + 1, sizeof(*p->copies));
	p->choices = calloc(1 + most * LIVE_MAX, sizeof(*p->choices));
	if (p->picked == NULL || p->copies == NULL || p->choices == NULL)
		return -ENOMEM;
	return 0;
}

static void
finish(struct planner *p)
{
	free(p->gaps);
	free(p->picked);
	free(p->copies);
	free(p->choices);
}

/* Follow ${c}, which keeps the gap at hand, unless another is as good. */
static void
follow_kept(struct planner *p, const struct choice *c)
{
	size_t i, count = 0;

	for (i = 0; i < p->next_count; i++)
		if (p->next[i].cost <= c->cost && p->next[i].slack >= c->slack)
			return;
	for (i = 0; i < p->next_count; i++)
		if (p->next[i].cost < c->cost || p->next[i].slack > c->slack)
			p->next[count++] = p->next[i];
	if (count < KEPT_MAX)
		p->next[count++] = *c;
	p->next_count = count;
}

/* Go on from choice ${prev}: keep ${gap}, if the window before it, which needs
 * ${need} bytes, can have them. */
static void
try_keep(struct planner *p, size_t prev, const struct range *gap, uint64_t need)
{
	const struct choice *before = &p->choices[prev];
	uint64_t least = gap->end == p->size ? 1 : S3_PART_MIN;
	struct choice c = { .prev = prev, .is_kept = true };

	if (prev > 0 && !before->is_kept)
		need = 0;
	c.of_prev = min(need, before->slack);
	c.at_off = need - c.of_prev;
	if (c.at_off > length(gap) - least)
		return;
	c.cost = before->cost + need;
	c.slack = length(gap) - least - c.at_off;
	follow_kept(p, &c);
}

/* Choices for the gap at hand after those at [first, last), stored behind
 * them.  Returns: the end of the new ones. */
static size_t
choose(struct planner *p, size_t first, size_t last, const struct range *gap,
    uint64_t window)
{
	struct choice dropped = { .cost = UINT64_MAX };
	uint64_t need = 0;
	size_t i, end = last;

	if (window > 0 && window < S3_PART_MIN)
		need = S3_PART_MIN - window;
	p->next_count = 0;
	for (i = first; i < last; i++) {
		try_keep(p, i, gap, need);
		if (p->choices[i].cost + length(gap) < dropped.cost) {
			dropped.cost = p->choices[i].cost + length(gap);
			dropped.prev = i;
		}
	}
	p->choices[end++] = dropped;
	for (i = 0; i < p->next_count; i++)
		p->choices[end++] = p->next[i];
	return end;
}

/* Note the copies of the choices that lead to ${c}. */
static void
collect(struct planner *p, size_t c)
{
	uint64_t taken = 0; /* of the end of the gap at hand */
	size_t i, first = p->picked_count;
	const struct range *gap;

	for (i = p->picked_count; i-- > 0; c = p->choices[c].prev) {
		gap = &p->picked[i];
		if (p->choices[c].is_kept)
			p->copies[--first] = (struct range){
				.off = gap->off + p->choices[c].at_off,
				.end = gap->end - taken,
			};
		taken = p->choices[c].of_prev;
	}
	p->copy_count = p->picked_count - first;
	memmove(
	    p->copies, p->copies + first, p->copy_count * sizeof(*p->copies));
}

/* Find what to copy if only the longest ${count} gaps are gaps. */
static void
find_copies(struct planner *p, size_t count)
{
	size_t i, first = 0, last = 1, end, best;
	uint64_t pos = 0;

	memcpy(p->picked, p->gaps, count * sizeof(*p->picked));
	qsort(p->picked, count, sizeof(*p->picked), in_order);
	p->picked_count = count;
	/* What is left of the first gap: nothing to take. */
	memset(&p->choices[0], 0, sizeof(p->choices[0]));
	for (i = 0; i < count; i++) {
		end = choose(
		    p, first, last, &p->picked[i], p->picked[i].off - pos);
		pos = p->picked[i].end;
		first = last;
		last = end;
	}
	best = first;
	for (i = first; i < last; i++)
		if (p->choices[i].cost < p->choices[best].cost)
			best = i;
	collect(p, best);
}

/* The number of parts of a run of ${len} bytes, each ${size} bytes long unless
 * one would be too short. */
static uint64_t
pieces(uint64_t len, uint64_t size)
{
	uint64_t count = min(divide_up(len, size), len / S3_PART_MIN);

	return count == 0 && len > 0 ? 1 : count;
}

/* Cut [off, end) into equal parts; ${p} NULL: only count them. */
static uint64_t
cut(struct plan *p, const struct range *run, uint64_t size, bool is_copy)
{
	uint64_t len = length(run), count = pieces(len, size), i;

	for (i = 0; p != NULL && i < count; i++)
		add_part(p, run->off + len * i / count,
		    run->off + len * (i + 1) / count, is_copy);
	return count;
}

/* All parts, the uploaded ones of about ${size} bytes; ${ret} NULL: only count
 * them. */
static uint64_t
cut_all(const struct planner *p, uint64_t size, struct plan *ret)
{
	struct range window = { 0, 0 };
	uint64_t count = 0;
	size_t i;

	for (i = 0; i < p->copy_count; i++) {
		window.end = p->copies[i].off;
		count += cut(ret, &window, size, false);
		count += cut(ret, &p->copies[i], S3_PART_MAX, true);
		window.off = p->copies[i].end;
	}
	window.end = p->size;
	return count + cut(ret, &window, size, false);
}

/* Find what to copy with as many gaps as the number of parts allows: all, or
 * the longest.  None at all is one window, which S3_PARTS_MAX parts hold.
 * Returns: whether all gaps were considered. */
static bool
find_copies_within(struct planner *p)
{
	size_t low = 0, high, mid;

	high = p->gap_count < S3_PARTS_MAX ? p->gap_count : S3_PARTS_MAX;
	find_copies(p, high);
	if (cut_all(p, S3_PART_MAX, NULL) <= S3_PARTS_MAX)
		return high == p->gap_count;
	while (high - low > 1) {
		mid = low + (high - low) / 2;
		find_copies(p, mid);
		if (cut_all(p, S3_PART_MAX, NULL) <= S3_PARTS_MAX)
			low = mid;
		else
			high = mid;
	}
	find_copies(p, low);
	return false;
}

/* Write the plan down, with parts as small as their number allows. */
static int
write_plan(const struct planner *p, struct plan *ret)
{
	uint64_t size = PLAN_PUT_MAX, count = cut_all(p, size, NULL);
	int r;

	while (count > S3_PARTS_MAX && size < S3_PART_MAX) {
		size = min(size * 2, S3_PART_MAX);
		count = cut_all(p, size, NULL);
	}
	assert(count <= S3_PARTS_MAX);
	r = allocate(ret, count);
	if (r < 0)
		return r;
	(void)cut_all(p, size, ret); /* as counted before */
	return 0;
}

/* Gaps had to go: equal parts, as many as may be, can be better still. */
static int
improve(const struct planner *p, uint64_t base_size,
    const struct rangeset *changed, struct plan *ret)
{
	uint64_t part_size = divide_up(p->size, S3_PARTS_MAX);
	struct plan other = { 0 };
	int r;

	if (part_size < S3_PART_MIN)
		part_size = S3_PART_MIN;
	r = plan_by_schedule(p->size, base_size, changed, part_size, &other);
	if (r < 0)
		return r;
	if (upload_bytes(&other) < upload_bytes(ret)) {
		plan_fini(ret);
		*ret = other;
	} else {
		plan_fini(&other);
	}
	return 0;
}

static int
plan_by_windows(uint64_t size, uint64_t base_size,
    const struct rangeset *changed, struct plan *ret)
{
	AUTO(finish) struct planner p = { .size = size };
	bool is_best;
	int r;

	r = prepare(&p, base_size, changed);
	if (r < 0)
		return r;
	is_best = find_copies_within(&p);
	if (is_best && p.copy_count == 0 && plan_schedule_at(size - 1, 0) > 0)
		return plan_by_schedule(size, 0, changed, 0, ret);
	r = write_plan(&p, ret);
	if (r == 0 && !is_best)
		r = improve(&p, base_size, changed, ret);
	return r;
}

int
plan_make(uint64_t size, uint64_t base_size, const struct rangeset *changed,
    uint64_t part_size, struct plan *ret)
{
	struct plan plan = { 0 };
	int r = 0;

	assert(base_size <= size);
	assert(part_size == 0 ||
	       (part_size >= S3_PART_MIN && part_size <= S3_PART_MAX));
	if (size > S3_OBJECT_MAX)
		return -EFBIG;
	if (size <= PLAN_PUT_MAX)
		r = 0; /* one PUT: no parts */
	else if (base_size == 0 || part_size > 0)
		r = plan_by_schedule(
		    size, base_size, changed, part_size, &plan);
	else
		r = plan_by_windows(size, base_size, changed, &plan);
	if (r < 0)
		plan_fini(&plan);
	else
		*ret = plan;
	return r;
}
