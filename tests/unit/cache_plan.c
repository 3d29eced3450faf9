/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_plan.c - plans of changes that decide something.
 *
 * Role:    unit test of cache/plan.c.
 */
#include "tests/unit/plan_job.h"

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
	assert_int_equal(j.plan.parts[0].kind, PLAN_COPY);
	assert_int_equal(j.plan.parts[0].len, 256 * MIB);
	assert_int_equal(j.plan.parts[1].kind, PLAN_UPLOAD);
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
			assert_true(j.plan.parts[i].kind == PLAN_COPY ||
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

/* Zeros are copied in as few parts as their object allows. */
static void
test_zeros(void **state)
{
	struct job j;

	(void)state;
	start(&j, GIB, 0);
	j.zero_size = 16 * MIB;
	zero(&j, 0, GIB);
	plan_well(&j);
	assert_int_equal(j.plan.count, 64);
	assert_int_equal(zeros(&j), 64);
	end(&j);
	/* One byte in the middle. */
	start(&j, 200 * MIB, 0);
	j.zero_size = 16 * MIB;
	zero(&j, 0, 100 * MIB);
	zero(&j, 100 * MIB + 1, GIB);
	change(&j, 0, GIB);
	plan_well(&j);
	assert_int_equal(bytes_up(&j), S3_PART_MIN);
	assert_int_equal(j.plan.count, 7 + 1 + 6);
	end(&j);
	/* A hole in an object, one too small, and zeros behind its end. */
	start(&j, 2 * GIB, GIB);
	j.zero_size = 16 * MIB;
	zero(&j, 100 * MIB, 160 * MIB);
	zero(&j, 500 * MIB, S3_PART_MIN - 1);
	zero(&j, GIB, GIB);
	plan_well(&j);
	assert_int_equal(copies(&j), 3);
	assert_int_equal(zeros(&j), 10 + 64);
	assert_int_equal(bytes_up(&j), S3_PART_MIN);
	end(&j);
	/* Without the object they go up. */
	start(&j, 200 * MIB, 0);
	zero(&j, 0, 200 * MIB);
	plan_well(&j);
	assert_int_equal(zeros(&j), 0);
	end(&j);
}

/* Parts that went up are not sent again for the sake of fewer. */
static void
test_zeros_and_sent(void **state)
{
	static const uint64_t len = 8 * MIB;
	struct job j;

	(void)state;
	start(&j, 200 * MIB, 0);
	j.zero_size = 16 * MIB;
	change(&j, 0, 200 * MIB);
	zero(&j, 88 * MIB, 100 * MIB);
	plan_well(&j);
	assert_int_equal(zeros(&j), 7);
	plan_fini(&j.plan);
	j.sent.parts = calloc(11, sizeof(*j.sent.parts));
	assert_non_null(j.sent.parts);
	for (size_t i = 0; i < 11; i++)
		j.sent.parts[i] =
		    (struct plan_part){ i * len, len, PLAN_UPLOAD };
	j.sent.count = 11;
	plan_well(&j);
	for (size_t i = 0; i < 11; i++)
		assert_memory_equal(&j.plan.parts[i], &j.sent.parts[i],
		    sizeof(j.sent.parts[i]));
	assert_true(bytes_up(&j) <= 100 * MIB);
	end(&j);
}

/* More zeros than all parts hold, and more runs of them than parts. */
static void
test_many_zeros(void **state)
{
	uint64_t pos;
	struct job j;

	(void)state;
	start(&j, TIB, 0);
	j.zero_size = 16 * MIB;
	zero(&j, 0, TIB);
	plan_well(&j);
	assert_true(zeros(&j) > 9000);
	end(&j);
	start(&j, TIB, 0);
	j.zero_size = 16 * MIB;
	change(&j, 0, TIB);
	for (pos = 0; pos < TIB; pos += 32 * MIB)
		zero(&j, pos, 16 * MIB);
	plan_well(&j);
	assert_true(zeros(&j) > 4500);
	end(&j);
}

/* Servers that want equal parts get them of zeros, too. */
static void
test_equal_zeros(void **state)
{
	struct job j;

	(void)state;
	start(&j, 105 * MIB, 0);
	j.part_size = 10 * MIB;
	j.zero_size = 16 * MIB;
	zero(&j, 5 * MIB, 100 * MIB);
	plan_well(&j);
	assert_int_equal(zeros(&j), 10);
	assert_int_equal(bytes_up(&j), 10 * MIB);
	end(&j);
	start(&j, 105 * MIB, 0);
	j.part_size = 20 * MIB;
	j.zero_size = 16 * MIB;
	zero(&j, 0, 105 * MIB);
	plan_well(&j);
	assert_int_equal(bytes_up(&j), 100 * MIB);
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
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_zeros_and_sent),
		cmocka_unit_test(test_many_zeros),
		cmocka_unit_test(test_equal_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
