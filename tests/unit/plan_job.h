/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_job.h - a plan that is asked for, and what is true of any.
 *
 * Role:    the fixture of cache_plan.c and cache_plan_random.c; included once
 *          by each program.
 */
#ifndef TESTS_UNIT_PLAN_JOB_H
#define TESTS_UNIT_PLAN_JOB_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/plan.h"
#include "s3/limits.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

/* A number below ${limit}, or 0. */
static inline uint64_t
number(uint64_t *rnd, uint64_t limit)
{
	*rnd ^= *rnd << 13;
	*rnd ^= *rnd >> 7;
	*rnd ^= *rnd << 17;
	return limit > 0 ? (*rnd >> 3) % limit : 0;
}

/* What is asked, and the plan. */
struct job {
	uint64_t size;
	uint64_t base_size;
	uint64_t part_size;
	uint64_t zero_size;
	struct rangeset changed;
	struct rangeset zeros;
	struct plan sent; /* owned */
	struct plan plan;
};

static inline void
start(struct job *j, uint64_t size, uint64_t base_size)
{
	*j = (struct job){ .size = size, .base_size = base_size };
	rangeset_init(&j->changed);
	rangeset_init(&j->zeros);
}

static inline void
change(struct job *j, uint64_t off, uint64_t len)
{
	uint64_t end = off + len < j->size ? off + len : j->size;

	if (off < end)
		assert_int_equal(rangeset_add(&j->changed, off, end), 0);
}

/* Likewise; these are zeros. */
static inline void
zero(struct job *j, uint64_t off, uint64_t len)
{
	uint64_t end = off + len < j->size ? off + len : j->size;

	change(j, off, len);
	if (off < end)
		assert_int_equal(rangeset_add(&j->zeros, off, end), 0);
}

static inline int
make(struct job *j)
{
	struct plan_version v = { .size = j->size,
		.base_size = j->base_size,
		.part_size = j->part_size,
		.zero_size = j->zero_size,
		.changed = &j->changed,
		.zeros = &j->zeros,
		.sent = j->sent.count > 0 ? &j->sent : NULL };

	return plan_make(&v, &j->plan);
}

static inline void
end(struct job *j)
{
	plan_fini(&j->plan);
	plan_fini(&j->sent);
	rangeset_fini(&j->changed);
	rangeset_fini(&j->zeros);
}

static inline uint64_t
bytes_up(const struct job *j)
{
	return plan_bytes(&j->plan, PLAN_UPLOAD);
}

static inline size_t
count_of(const struct job *j, enum plan_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < j->plan.count; i++)
		count += j->plan.parts[i].kind == kind;
	return count;
}

static inline size_t
copies(const struct job *j)
{
	return count_of(j, PLAN_COPY);
}

static inline size_t
zeros(const struct job *j)
{
	return count_of(j, PLAN_ZERO);
}

static inline void
check_part(const struct job *j, size_t i)
{
	const struct plan_part *part = &j->plan.parts[i];

	assert_true(part->len > 0 && part->len <= S3_PART_MAX);
	if (i + 1 < j->plan.count)
		assert_true(part->len >= S3_PART_MIN);
	if (part->kind == PLAN_ZERO) {
		assert_true(part->len <= j->zero_size);
		assert_true(
		    rangeset_has(&j->zeros, part->off, part->off + part->len));
	}
	if (part->kind != PLAN_COPY)
		return;
	assert_true(part->off + part->len <= j->base_size);
	assert_true(j->base_size > S3_PART_COPY_FROM);
	assert_false(
	    rangeset_has_any(&j->changed, part->off, part->off + part->len));
}

/* The parts are what the schedule says. */
static inline void
check_schedule(const struct job *j)
{
	uint64_t off, len;

	for (size_t i = 0; i < j->plan.count; i++) {
		plan_schedule((unsigned)i + 1, j->part_size, &off, &len);
		assert_int_equal(j->plan.parts[i].off, off);
		assert_int_equal(j->plan.parts[i].len,
		    off + len < j->size ? len : j->size - off);
	}
}

/* All that is true of any plan. */
static inline void
check(const struct job *j)
{
	uint64_t pos = 0;

	if (j->size <= PLAN_PUT_MAX) {
		assert_null(j->plan.parts);
		assert_int_equal(j->plan.count, 0);
		return;
	}
	assert_non_null(j->plan.parts);
	assert_in_range(j->plan.count, 1, S3_PARTS_MAX);
	for (size_t i = 0; i < j->plan.count; i++) {
		assert_int_equal(j->plan.parts[i].off, pos);
		check_part(j, i);
		pos += j->plan.parts[i].len;
	}
	assert_int_equal(pos, j->size);
	if (j->part_size > 0 || (j->base_size == 0 && zeros(j) == 0))
		check_schedule(j);
	if (j->base_size == 0)
		assert_int_equal(copies(j), 0);
}

static inline void
plan_well(struct job *j)
{
	assert_int_equal(make(j), 0);
	check(j);
}

/* Plan with but one range changed, or none. */
static inline void
plan_one(struct job *j, uint64_t size, uint64_t base_size, uint64_t off,
    uint64_t len)
{
	start(j, size, base_size);
	change(j, off, len);
	plan_well(j);
}

#endif
