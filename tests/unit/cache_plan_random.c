/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_plan_random.c - plans: within S3's limits always, and the best there
 * is.
 *
 * Role:    unit test of cache/plan.c.
 */
#include "tests/unit/plan_job.h"

#define CELLS 80 /* of 1 MiB: a file small enough to try all plans */

/* As likely small as large, below ${limit}. */
static uint64_t
any_size(uint64_t *rnd, uint64_t limit)
{
	uint64_t size = number(rnd, limit) >> number(rnd, 30);

	return number(rnd, 4) == 0 ? size / S3_PART_MIN * S3_PART_MIN : size;
}

/* A length near one that decides something. */
static uint64_t
odd_length(uint64_t *rnd)
{
	static const uint64_t near[] = { 2, 64 * KIB, S3_PART_MIN,
		2 * S3_PART_MIN, 3 * S3_PART_MIN, PLAN_PUT_MAX, GIB,
		S3_PART_MAX };

	return near[number(rnd, sizeof(near) / sizeof(near[0]))] +
	       number(rnd, 3) - 1;
}

static void
change_at_random(struct job *j, uint64_t *rnd)
{
	uint64_t count = number(rnd, number(rnd, 4) == 0 ? 300 : 6);
	uint64_t pos = 0;

	if (number(rnd, 3) == 0)
		change(j, 0, odd_length(rnd));
	if (number(rnd, 3) == 0 && j->size > 3)
		change(j, j->size - 1 - number(rnd, 3), 1);
	if (number(rnd, 20) == 0)
		change(j, 0, j->size);
	for (uint64_t i = 0; i < count; i++) {
		if (number(rnd, 3) == 0)
			pos = number(rnd, j->size);
		else
			pos += odd_length(rnd);
		if (number(rnd, 3) == 0)
			zero(j, pos, odd_length(rnd));
		else
			change(j, pos, odd_length(rnd) >> number(rnd, 24));
	}
}

/* Some of the schedule's parts are there already. */
static void
send_at_random(struct job *j, uint64_t *rnd)
{
	size_t count = plan_schedule_at(j->size, j->part_size);

	count = count < 40 ? count : 40;
	j->sent.parts = calloc(count + 1, sizeof(*j->sent.parts));
	assert_non_null(j->sent.parts);
	for (; j->sent.count < count; j->sent.count++) {
		struct plan_part *part = &j->sent.parts[j->sent.count];

		plan_schedule((unsigned)j->sent.count + 1, j->part_size,
		    &part->off, &part->len);
		if (number(rnd, 2) == 0)
			part->len = 0;
	}
}

static void
random_job(struct job *j, uint64_t *rnd)
{
	static const uint64_t limits[] = { 20 * MIB, 200 * MIB, 10 * GIB,
		5 * TIB, S3_OBJECT_MAX + 1 };
	uint64_t bases[4] = { 0 };

	start(j, any_size(rnd, limits[number(rnd, 5)]), 0);
	bases[0] = j->size;
	bases[1] = number(rnd, j->size + 1);
	bases[2] = odd_length(rnd);
	j->base_size = bases[number(rnd, 7) % 4];
	if (j->base_size > j->size)
		j->base_size = j->size;
	if (number(rnd, 5) == 0)
		j->part_size = S3_PART_MIN + any_size(rnd, GIB);
	if (number(rnd, 4) > 0)
		j->zero_size = 2 * S3_PART_MIN + any_size(rnd, GIB);
	change_at_random(j, rnd);
	if (number(rnd, 3) == 0)
		send_at_random(j, rnd);
}

static void
test_random(void **state)
{
	uint64_t rnd = 88172645463325252;
	size_t planned = 0, copied = 0, zeroed = 0;
	struct job j;
	int r;

	(void)state;
	for (size_t i = 0; i < 30000; i++) {
		random_job(&j, &rnd);
		r = make(&j);
		if (r == -EFBIG) {
			assert_true(j.base_size == 0 || j.part_size > 0);
			assert_int_equal(
			    plan_schedule_at(j.size - 1, j.part_size), 0);
		} else {
			assert_int_equal(r, 0);
			check(&j);
			planned += j.plan.count > 0;
			copied += copies(&j) > 0;
			zeroed += zeros(&j) > 0;
		}
		end(&j);
	}
	assert_true(planned > 10000 && copied > 5000 && zeroed > 2000);
}

/* Whether a part of these cells can be a copy. */
static bool
is_copied(const enum plan_kind *cells, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (cells[i] == PLAN_UPLOAD || cells[i] != cells[from])
			return false;
	return true;
}

/* The fewest bytes that can go up of ${count} cells, by trying all parts. */
static uint64_t
best_of(const enum plan_kind *cells, size_t count)
{
	const size_t least = S3_PART_MIN / MIB;
	uint64_t best[CELLS + 1] = { 0 };

	for (size_t to = 1; to <= count; to++) {
		best[to] = UINT32_MAX;
		for (size_t from = to; from-- > 0;) {
			uint64_t up;

			if (to - from < least && to < count)
				continue;
			up = is_copied(cells, from, to) ? 0 : to - from;
			if (best[from] + up < best[to])
				best[to] = best[from] + up;
		}
	}
	return best[count] * MIB;
}

/* Cells of a file at random: runs of lengths about that of a part.  They are
 * of the base (PLAN_COPY), changed, or zeros. */
static void
fill_cells(enum plan_kind *cells, size_t count, uint64_t *rnd)
{
	enum plan_kind kind = number(rnd, 3);
	size_t i = 0, n;

	while (i < count) {
		n = 1 +
		    number(rnd, kind == PLAN_UPLOAD ? 1 + number(rnd, 6) : 17);
		while (n-- > 0 && i < count)
			cells[i++] = kind;
		kind = (kind + 1 + number(rnd, 2)) % 3;
	}
}

/* ${base} cells are of the base at most, and none of it may be left. */
static void
start_cells(struct job *j, enum plan_kind *cells, size_t count, size_t base)
{
	start(j, count * MIB, base * MIB);
	j->zero_size = 16 * MIB;
	for (size_t i = 0; i < count; i++) {
		if (cells[i] == PLAN_COPY && i >= base)
			cells[i] = PLAN_UPLOAD;
		if (cells[i] == PLAN_UPLOAD)
			change(j, i * MIB, MIB);
		if (cells[i] == PLAN_ZERO)
			zero(j, i * MIB, MIB);
	}
}

static void
test_best(void **state)
{
	uint64_t rnd = 362436069;
	enum plan_kind cells[CELLS];
	size_t count, base;
	struct job j;

	(void)state;
	for (size_t n = 0; n < 50000; n++) {
		count = 9 + number(&rnd, CELLS - 8);
		fill_cells(cells, count, &rnd);
		base = 6 + number(&rnd, count - 5);
		if (number(&rnd, 2) == 0)
			base = count;
		if (number(&rnd, 4) == 0)
			base = 0;
		start_cells(&j, cells, count, base);
		plan_well(&j);
		assert_int_equal(bytes_up(&j), best_of(cells, count));
		end(&j);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_best),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
