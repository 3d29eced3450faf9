/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - how the next version of an object is built.
 *
 * Role:    pure; upload.c carries the plan out.  Threads: any; no locks.
 * S3:      "Amazon S3 multipart upload limits", API_UploadPartCopy.
 *
 * A *gap* is a run of bytes that need not go up and could be a copy, unchanged
 * or zeros: at least S3_PART_MIN long, or the end of the file.  A gap is either
 * kept, less what the windows beside it take of its ends, or dropped: uploaded
 * with what lies around it.  The window between two kept gaps that is too short
 * to be a part *needs* bytes of them.
 *
 * Which gaps to keep so that the fewest bytes go up is found from the left to
 * the right.  All that matters of the choices before a gap is what they cost
 * and how much the next window may still take from the left, its *slack*: of
 * the choices that end with this gap kept, those are followed that no other
 * beats in both.  There is a handful of them, for what one window can need is
 * less than S3_PART_MIN.  A dropped gap makes its window long enough for good,
 * so of the choices that end with it dropped only the cheapest is followed.
 *
 * Where that takes too many parts, the smallest gaps are no gaps.  A long run
 * of zeros is several gaps, so that some of it can be copied then.
 */
#include "cache/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/s3.h"

/* The parts of a run of zeros that is one gap. */
#define ZERO_PARTS 64

/* Choices followed from one gap to the next: the cheapest that dropped it,
 * and so many that kept it. */
#define KEPT_MAX 5
#define LIVE_MAX (1 + KEPT_MAX)

struct gap {
	uint64_t off; /* first byte */
	uint64_t end; /* the byte after the last */
	enum plan_kind kind;
};

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
	const struct plan_version *version;
	struct gap *gaps; /* owned: all, the longest first */
	size_t gap_count;
	struct gap *picked; /* owned: those in question, in order */
	size_t picked_count;
	struct choice *choices;       /* owned */
	struct choice next[KEPT_MAX]; /* of the gap at hand */
	size_t next_count;
	struct gap *copies; /* owned: what is copied, in order */
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
length(const struct gap *g)
{
	return g->end - g->off;
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
add_part(struct plan *p, uint64_t off, uint64_t end, enum plan_kind kind)
{
	p->parts[p->count++] =
	    (struct plan_part){ .off = off, .len = end - off, .kind = kind };
}

uint64_t
plan_bytes(const struct plan *p, enum plan_kind kind)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < p->count; i++)
		bytes += p->parts[i].kind == kind ? p->parts[i].len : 0;
	return bytes;
}

/* The bytes that go up and did not yet. */
static uint64_t
left_bytes(const struct plan *p, const struct plan *sent)
{
	uint64_t bytes = plan_bytes(p, PLAN_UPLOAD);
	size_t i;

	for (i = 0; sent != NULL && i < p->count && i < sent->count; i++)
		if (p->parts[i].kind == PLAN_UPLOAD &&
		    p->parts[i].off == sent->parts[i].off &&
		    p->parts[i].len == sent->parts[i].len)
			bytes -= p->parts[i].len;
	return bytes;
}

static bool
has_zeros(const struct plan_version *v)
{
	return v->zero_size > 0 && v->zeros != NULL &&
	       !rangeset_is_empty(v->zeros);
}

static enum plan_kind
kind_of(const struct plan_version *v, uint64_t off, uint64_t end)
{
	if (v->base_size > S3_PART_COPY_FROM && end <= v->base_size &&
	    !rangeset_has_any(v->changed, off, end))
		return PLAN_COPY;
	if (has_zeros(v) && end - off <= v->zero_size &&
	    rangeset_has(v->zeros, off, end))
		return PLAN_ZERO;
	return PLAN_UPLOAD;
}

/* The parts of the schedule, copied where that can be. */
static int
plan_by_schedule(
    const struct plan_version *v, uint64_t part_size, struct plan *ret)
{
	unsigned number, count = plan_schedule_at(v->size - 1, part_size);
	uint64_t off, len, end;
	int r;

	if (count == 0)
		return -EFBIG;
	r = allocate(ret, count);
	if (r < 0)
		return r;
	for (number = 1; number <= count; number++) {
		plan_schedule(number, part_size, &off, &len);
		end = min(off + len, v->size);
		add_part(ret, off, end, kind_of(v, off, end));
	}
	return 0;
}

static int
longest_first(const void *a, const void *b)
{
	const struct gap *x = a, *y = b;

	if (length(x) != length(y))
		return length(x) > length(y) ? -1 : 1;
	return x->off < y->off ? -1 : 1;
}

static int
in_order(const void *a, const void *b)
{
	const struct gap *x = a, *y = b;

	return x->off < y->off ? -1 : 1;
}

/* How many gaps a run of ${len} zeros is. */
static uint64_t
zero_gaps(const struct plan_version *v, uint64_t len)
{
	return divide_up(len, ZERO_PARTS * v->zero_size);
}

static void
add_gap(struct planner *p, uint64_t off, uint64_t end, enum plan_kind kind)
{
	if (end - off >= S3_PART_MIN || end == p->version->size)
		p->gaps[p->gap_count++] = (struct gap){ off, end, kind };
}

/* All gaps.  The ranges of S3 copies are of sources over a size only. */
static void
find_gaps(struct planner *p)
{
	const struct plan_version *v = p->version;
	uint64_t off = 0, end, i, n;

	while (v->base_size > S3_PART_COPY_FROM &&
	       rangeset_next_gap(v->changed, off, v->base_size, &off, &end)) {
		add_gap(p, off, end, PLAN_COPY);
		off = end;
	}
	off = 0;
	while (has_zeros(v) &&
	       rangeset_next_run(v->zeros, off, v->size, &off, &end)) {
		n = zero_gaps(v, end - off);
		for (i = 0; i < n; i++)
			add_gap(p, off + (end - off) / n * i,
			    i + 1 < n ? off + (end - off) / n * (i + 1) : end,
			    PLAN_ZERO);
		off = end;
	}
	qsort(p->gaps, p->gap_count, sizeof(*p->gaps), longest_first);
}

/* At least as many as there are gaps. */
static size_t
most_gaps(const struct plan_version *v)
{
	size_t i, count = v->changed->count + 1;

	for (i = 0; has_zeros(v) && i < v->zeros->count; i++)
		count += zero_gaps(
		    v, v->zeros->ranges[i].end - v->zeros->ranges[i].off);
	return count;
}

static int
prepare(struct planner *p)
{
	size_t most;

	p->gaps = calloc(most_gaps(p->version), sizeof(*p->gaps));
	if (p->gaps == NULL)
		return -ENOMEM;
	find_gaps(p);
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
try_keep(struct planner *p, size_t prev, const struct gap *gap, uint64_t need)
{
	const struct choice *before = &p->choices[prev];
	uint64_t least = gap->end == p->version->size ? 1 : S3_PART_MIN;
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
choose(struct planner *p, size_t first, size_t last, const struct gap *gap,
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
	const struct gap *gap;

	for (i = p->picked_count; i-- > 0; c = p->choices[c].prev) {
		gap = &p->picked[i];
		if (p->choices[c].is_kept)
			p->copies[--first] = (struct gap){
				.off = gap->off + p->choices[c].at_off,
				.end = gap->end - taken,
				.kind = gap->kind,
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

/* Cut ${run} into equal parts; ${p} NULL: only count them. */
static uint64_t
cut(struct plan *p, const struct gap *run, uint64_t size)
{
	uint64_t len = length(run), count = pieces(len, size), i;

	for (i = 0; p != NULL && i < count; i++)
		add_part(p, run->off + len * i / count,
		    run->off + len * (i + 1) / count, run->kind);
	return count;
}

/* The longest part that is copied. */
static uint64_t
longest_copy(const struct planner *p, enum plan_kind kind)
{
	return kind == PLAN_ZERO ? p->version->zero_size : S3_PART_MAX;
}

/* All parts, the uploaded ones of about ${size} bytes; ${ret} NULL: only count
 * them. */
static uint64_t
cut_all(const struct planner *p, uint64_t size, struct plan *ret)
{
	struct gap window = { 0, 0, PLAN_UPLOAD };
	uint64_t count = 0;
	size_t i;

	for (i = 0; i < p->copy_count; i++) {
		const struct gap *copy = &p->copies[i];

		window.end = copy->off;
		count += cut(ret, &window, size);
		count += cut(ret, copy, longest_copy(p, copy->kind));
		window.off = copy->end;
	}
	window.end = p->version->size;
	return count + cut(ret, &window, size);
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

/* Of two plans, the one that leaves less to be sent, or has fewer parts. */
static void
take_better(struct plan *ret, struct plan *other, const struct plan *sent)
{
	uint64_t a = left_bytes(ret, sent), b = left_bytes(other, sent);

	if (b < a || (b == a && other->count < ret->count)) {
		plan_fini(ret);
		*ret = *other;
	} else {
		plan_fini(other);
	}
}

/* Gaps had to go: equal parts, as many as may be, can be better still. */
static int
improve(const struct plan_version *v, struct plan *ret)
{
	uint64_t part_size = divide_up(v->size, S3_PARTS_MAX);
	struct plan other = { 0 };
	int r;

	if (part_size < S3_PART_MIN)
		part_size = S3_PART_MIN;
	r = plan_by_schedule(v, part_size, &other);
	if (r == 0)
		take_better(ret, &other, v->sent);
	return r;
}

static int
plan_by_windows(const struct plan_version *v, struct plan *ret)
{
	AUTO(finish) struct planner p = { .version = v };
	struct plan_version plain = *v;
	bool is_best;
	int r;

	r = prepare(&p);
	if (r < 0)
		return r;
	is_best = find_copies_within(&p);
	if (is_best && p.copy_count == 0 &&
	    plan_schedule_at(v->size - 1, 0) > 0) {
		plain.base_size = 0;
		return plan_by_schedule(&plain, 0, ret);
	}
	r = write_plan(&p, ret);
	if (r == 0 && !is_best)
		r = improve(v, ret);
	return r;
}

/* Nothing of the base is left. */
static int
plan_new(const struct plan_version *v, struct plan *ret)
{
	struct plan other = { 0 };
	int r = plan_by_schedule(v, 0, ret);

	if (r < 0 || !has_zeros(v))
		return r;
	r = plan_by_windows(v, &other);
	if (r == 0)
		take_better(ret, &other, v->sent);
	return r;
}

int
plan_make(const struct plan_version *v, struct plan *ret)
{
	struct plan plan = { 0 };
	int r = 0;

	assert(v->base_size <= v->size);
	assert(v->part_size == 0 ||
	       (v->part_size >= S3_PART_MIN && v->part_size <= S3_PART_MAX));
	assert(v->zero_size == 0 || v->zero_size >= 2 * S3_PART_MIN);
	if (v->size > S3_OBJECT_MAX)
		return -EFBIG;
	if (v->size <= PLAN_PUT_MAX)
		r = 0; /* one PUT: no parts */
	else if (v->part_size > 0)
		r = plan_by_schedule(v, v->part_size, &plan);
	else if (v->base_size == 0)
		r = plan_new(v, &plan);
	else
		r = plan_by_windows(v, &plan);
	if (r < 0)
		plan_fini(&plan);
	else
		*ret = plan;
	return r;
}
