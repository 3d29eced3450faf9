/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_plan.c - plans: within S3's limits always, and the best there is.
 *
 * Role:    unit test of cache/plan.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "cache/plan.h"
#include "s3/limits.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

#define CELLS 80 /* of 1 MiB: a file small enough to try all plans */

/* A number below ${limit}, or 0. */
static uint64_t
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
	struct rangeset changed;
	struct plan plan;
};

static void
start(struct job *j, uint64_t size, uint64_t base_size)
{
	*j = (struct job){ .size = size, .base_size = base_size };
	rangeset_init(&j->changed);
}

static void
change(struct job *j, uint64_t off, uint64_t len)
{
	uint64_t end = off + len < j->size ? off + len : j->size;

	if (off < end)
		assert_int_equal(rangeset_add(&j->changed, off, end), 0);
}

static int
make(struct job *j)
{
	return plan_make(
	    j->size, j->base_size, &j->changed, j->part_size, &j->plan);
}

static void
end(struct job *j)
{
	plan_fini(&j->plan);
	rangeset_fini(&j->changed);
}

static uint64_t
bytes_up(const struct job *j)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < j->plan.count; i++)
		bytes += j->plan.parts[i].is_copy ? 0 : j->plan.parts[i].len;
	return bytes;
}

static size_t
copies(const struct job *j)
{
	size_t count = 0;

	for (size_t i = 0; i < j->plan.count; i++)
		count += j->plan.parts[i].is_copy;
	return count;
}

static void
check_part(const struct job *j, size_t i)
{
	const struct plan_part *part = &j->plan.parts[i];

	assert_true(part->len > 0 && part->len <= S3_PART_MAX);
	if (i + 1 < j->plan.count)
		assert_true(part->len >= S3_PART_MIN);
	if (!part->is_copy)
		return;
	assert_true(part->off + part->len <= j->base_size);
	assert_true(j->base_size > S3_PART_COPY_FROM);
	assert_false(
	    rangeset_has_any(&j->changed, part->off, part->off + part->len));
}

/* The parts are what the schedule says. */
static void
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
static void
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
	if (j->base_size == 0 || j->part_size > 0)
		check_schedule(j);
	if (j->base_size == 0)
		assert_int_equal(copies(j), 0);
}

static void
plan_well(struct job *j)
{
	assert_int_equal(make(j), 0);
	check(j);
}

/* Plan with but one range changed, or none. */
static void
plan_one(struct job *j, uint64_t size, uint64_t base_size, uint64_t off,
    uint64_t len)
{
	start(j, size, base_size);
	change(j, off, len);
	plan_well(j);
}

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
		change(j, pos, odd_length(rnd) >> number(rnd, 24));
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
	change_at_random(j, rnd);
}

static void
test_random(void **state)
{
	uint64_t rnd = 88172645463325252;
	size_t planned = 0, copied = 0;
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
		}
		end(&j);
	}
	assert_true(planned > 10000 && copied > 5000);
}

/* The fewest bytes that can go up of ${count} cells, by trying all parts. */
static uint64_t
best_of(const bool *is_changed, size_t count)
{
	const size_t least = S3_PART_MIN / MIB;
	uint64_t best[CELLS + 1] = { 0 };

	for (size_t to = 1; to <= count; to++) {
		bool is_clean = true;

		best[to] = UINT32_MAX;
		for (size_t from = to; from-- > 0;) {
			uint64_t up;

			is_clean = is_clean && !is_changed[from];
			if (to - from < least && to < count)
				continue;
			up = best[from] + (is_clean ? 0 : to - from);
			if (up < best[to])
				best[to] = up;
		}
	}
	return best[count] * MIB;
}

/* Cells of a file at random: runs of lengths about that of a part. */
static void
fill_cells(bool *cells, size_t count, uint64_t *rnd)
{
	bool is_changed = number(rnd, 2) == 0;
	size_t i = 0, n;

	while (i < count) {
		n = 1 + number(rnd, is_changed ? 1 + number(rnd, 6) : 17);
		while (n-- > 0 && i < count)
			cells[i++] = is_changed;
		is_changed = !is_changed;
	}
}

static void
test_best(void **state)
{
	uint64_t rnd = 362436069;
	bool cells[CELLS];
	size_t count, base;
	struct job j;

	(void)state;
	for (size_t n = 0; n < 50000; n++) {
		count = 9 + number(&rnd, CELLS - 8);
		fill_cells(cells, count, &rnd);
		base = 6 + number(&rnd, count - 5);
		if (number(&rnd, 2) == 0)
			base = count;
		start(&j, count * MIB, base * MIB);
		for (size_t i = 0; i < count; i++) {
			if (cells[i])
				change(&j, i * MIB, MIB);
			cells[i] = cells[i] || i >= base;
		}
		plan_well(&j);
		assert_int_equal(bytes_up(&j), best_of(cells, count));
		end(&j);
	}
}

static void
test_schedule(void **state)
{
	static const uint64_t sizes[] = { 0, S3_PART_MIN, 100 * MIB };
	uint64_t pos, off, len;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		pos = 0;
		for (unsigned n = 1; n <= S3_PARTS_MAX; n++) {
			plan_schedule(n, sizes[i], &off, &len);
			assert_int_equal(off, pos);
			assert_in_range(len, S3_PART_MIN, S3_PART_MAX);
			assert_int_equal(plan_schedule_at(off, sizes[i]), n);
			assert_int_equal(
			    plan_schedule_at(off + len - 1, sizes[i]), n);
			pos += len;
		}
		assert_int_equal(plan_schedule_at(pos, sizes[i]), 0);
		assert_int_equal(plan_schedule_at(UINT64_MAX, sizes[i]), 0);
		if (sizes[i] == 0)
			assert_true(pos >= 5 * TIB);
	}
}

/* The table in plan.h. */
static void
test_schedule_table(void **state)
{
	static const uint64_t mib[] = { 8, 16, 32, 64, 128, 256, 512, 1024,
		2048, 4096 };
	uint64_t off, len;

	(void)state;
	for (unsigned i = 0; i < sizeof(mib) / sizeof(mib[0]); i++) {
		plan_schedule(i * 1000 + 1, 0, &off, &len);
		assert_int_equal(len, mib[i] * MIB);
		plan_schedule(i * 1000 + 1000, 0, &off, &len);
		assert_int_equal(len, mib[i] * MIB);
	}
	plan_schedule(1, 0, &off, &len);
	assert_int_equal(len, PLAN_PUT_MAX);
}

/* A new file: nothing but the schedule; its plan never depends on the size. */
static void
test_new(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 8 * MIB, 8 * MIB + 1, 100 * MIB,
		GIB, 10 * GIB, 5 * TIB };
	struct job j;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		plan_one(&j, sizes[i], 0, 0, 0);
		assert_int_equal(
		    j.plan.count, sizes[i] <= PLAN_PUT_MAX
				      ? 0
				      : plan_schedule_at(sizes[i] - 1, 0));
		end(&j);
	}
	start(&j, 8 * TIB, 0);
	assert_int_equal(make(&j), -EFBIG);
	assert_null(j.plan.parts);
	end(&j);
	start(&j, S3_OBJECT_MAX + 1, S3_OBJECT_MAX + 1);
	assert_int_equal(make(&j), -EFBIG);
	end(&j);
}

static void
test_one_byte(void **state)
{
	static const uint64_t places[] = { 0, 1, S3_PART_MIN - 1, S3_PART_MIN,
		S3_PART_MIN + 1, 100 * MIB, 512 * MIB + 77,
		GIB - S3_PART_MIN - 1, GIB - S3_PART_MIN, GIB - 2, GIB - 1 };
	struct job j;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		plan_one(&j, GIB, GIB, places[i], 1);
		assert_true(bytes_up(&j) <= S3_PART_MIN + 1);
		assert_true(j.plan.count <= 3);
		end(&j);
	}
	/* At the end the last part may be short. */
	plan_one(&j, GIB, GIB, GIB - 1, 1);
	assert_int_equal(j.plan.count, 2);
	assert_int_equal(bytes_up(&j), 1);
	end(&j);
}

static void
test_append(void **state)
{
	struct job j;

	(void)state;
	plan_one(&j, 256 * MIB + KIB, 256 * MIB, 0, 0);
	assert_int_equal(j.plan.count, 2);
	assert_true(j.plan.parts[0].is_copy);
	assert_int_equal(j.plan.parts[0].len, 256 * MIB);
	assert_false(j.plan.parts[1].is_copy);
	end(&j);
	/* More than one copy takes; and a tail of parts. */
	plan_one(&j, 12 * GIB + 100 * MIB, 12 * GIB, 0, 0);
	assert_int_equal(copies(&j), 3);
	assert_int_equal(bytes_up(&j), 100 * MIB);
	assert_int_equal(j.plan.count, 3 + 13);
	end(&j);
	/* Cut off: a copy. */
	plan_one(&j, 100 * MIB, 100 * MIB, 100 * MIB, 50 * MIB);
	assert_int_equal(j.plan.count, 1);
	assert_int_equal(bytes_up(&j), 0);
	end(&j);
}

/* A base that is too small to copy from: the schedule. */
static void
test_small_base(void **state)
{
	static const uint64_t bases[] = { 1, MIB, S3_PART_MIN - 1,
		S3_PART_MIN };
	struct job j;

	(void)state;
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		plan_one(&j, 20 * MIB, bases[i], 0, 0);
		assert_int_equal(j.plan.count, 3);
		assert_int_equal(copies(&j), 0);
		check_schedule(&j);
		end(&j);
	}
	plan_one(&j, 20 * MIB, S3_PART_MIN + 1, 0, 0);
	assert_int_equal(copies(&j), 1);
	assert_int_equal(bytes_up(&j), 15 * MIB - 1);
	end(&j);
	/* Small files are one PUT, whatever the base. */
	plan_one(&j, PLAN_PUT_MAX, PLAN_PUT_MAX, PLAN_PUT_MAX - 1, 1);
	end(&j);
}

/* A gap that is too short for a part goes up with what is round it. */
static void
test_gaps(void **state)
{
	struct job j;

	(void)state;
	start(&j, GIB, GIB);
	change(&j, 100 * MIB, 10 * MIB);
	change(&j, 115 * MIB - 1, 10 * MIB);
	plan_well(&j);
	assert_int_equal(copies(&j), 2);
	assert_int_equal(bytes_up(&j), 25 * MIB - 1);
	end(&j);
	start(&j, GIB, GIB);
	change(&j, 100 * MIB, 10 * MIB);
	change(&j, 115 * MIB, 10 * MIB);
	plan_well(&j);
	assert_int_equal(copies(&j), 3);
	assert_int_equal(bytes_up(&j), 20 * MIB);
	end(&j);
	/* All changed: the schedule again. */
	plan_one(&j, GIB, GIB, 0, GIB);
	check_schedule(&j);
	end(&j);
}

/* A large window is cut into parts of about the first size. */
static void
test_pieces(void **state)
{
	uint64_t len;
	struct job j;

	(void)state;
	for (len = S3_PART_MIN; len < 100 * MIB; len += MIB / 2 - 1) {
		plan_one(&j, GIB, GIB, 500 * MIB, len);
		assert_int_equal(bytes_up(&j), len);
		assert_int_equal(copies(&j), 2);
		for (size_t i = 0; i < j.plan.count; i++)
			assert_true(j.plan.parts[i].is_copy ||
				    j.plan.parts[i].len < 2 * S3_PART_MIN);
		end(&j);
	}
}

/* More changed places than parts: the longest gaps are copied. */
static void
test_many(void **state)
{
	uint64_t rnd = 521288629;
	uint64_t pos = 0, clean = 0;
	struct job j;

	(void)state;
	start(&j, TIB, TIB);
	for (size_t i = 0; i < 30000; i++) {
		change(&j, pos, 1 + number(&rnd, 100 * KIB));
		pos += 6 * MIB + number(&rnd, 30 * MIB);
	}
	clean = TIB - rangeset_bytes(&j.changed);
	plan_well(&j);
	assert_true(j.plan.count > 9500);
	assert_true(copies(&j) > 4500);
	/* The tail alone is more than half. */
	assert_true(TIB - bytes_up(&j) > clean / 2);
	end(&j);
	/* One byte in each place of an equal grid. */
	start(&j, TIB, TIB);
	for (pos = 0; pos < TIB; pos += 8 * MIB)
		change(&j, pos, 1);
	plan_well(&j);
	assert_true(copies(&j) > 4500);
	end(&j);
}

/* The largest object is 10 000 of the largest parts: no window fits in. */
static void
test_largest(void **state)
{
	struct job j;

	(void)state;
	plan_one(&j, S3_OBJECT_MAX, S3_OBJECT_MAX, 7 * TIB + 5, 1);
	assert_int_equal(j.plan.count, S3_PARTS_MAX);
	assert_int_equal(bytes_up(&j), S3_PART_MAX);
	end(&j);
	plan_one(&j, S3_OBJECT_MAX, S3_OBJECT_MAX, 0, S3_OBJECT_MAX);
	assert_int_equal(j.plan.count, S3_PARTS_MAX);
	end(&j);
	/* Parts of an upload grow with their number. */
	plan_one(&j, 200 * GIB, 100 * GIB, 0, 0);
	assert_int_equal(bytes_up(&j), 100 * GIB);
	assert_int_equal(copies(&j), 20);
	/* Twice the first size is enough. */
	assert_int_equal(j.plan.count, 20 + 100 * GIB / (16 * MIB));
	end(&j);
}

/* Servers that want equal parts get them. */
static void
test_equal(void **state)
{
	struct job j;

	(void)state;
	start(&j, 105 * MIB, 100 * MIB);
	j.part_size = 10 * MIB;
	change(&j, 35 * MIB, 1);
	plan_well(&j);
	assert_int_equal(j.plan.count, 11);
	assert_int_equal(copies(&j), 9);
	assert_int_equal(bytes_up(&j), 15 * MIB);
	end(&j);
	start(&j, 60 * GIB, 0);
	j.part_size = S3_PART_MIN;
	assert_int_equal(make(&j), -EFBIG);
	end(&j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_schedule_table),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_one_byte),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_small_base),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_best),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
