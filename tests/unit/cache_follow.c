/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_follow.c - tests of which files are expected next.  Files of a
 * directory have the ids 1, 2, 3 ... in their order.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "cache/follow.h"

#define DIR   7
#define FILES 400

static struct follow follow;
static bool fetched[FILES + FOLLOW_MAX + 1];

static int
setup(void **state)
{
	(void)state;
	memset(&follow, 0, sizeof(follow));
	memset(fetched, 0, sizeof(fetched));
	return 0;
}

/* File ${id} is read; how many are fetched because of it. */
static unsigned
reads(uint64_t dir, uint64_t id)
{
	struct follow_turn *turn;
	unsigned want = follow_read(&follow, dir, id, &turn), count = 0;

	assert_in_range(turn->count + want, 0, FOLLOW_MAX);
	if (follow_last(turn) != 0)
		id = follow_last(turn);
	for (uint64_t next = id + 1; want > 0 && next <= FILES; next++) {
		follow_add(turn, next);
		want--;
		if (!follow_is_sure(turn))
			continue;
		assert_false(fetched[next]);
		fetched[next] = true;
		count++;
	}
	return count;
}

static void
test_in_order(void **state)
{
	(void)state;
	assert_int_equal(reads(DIR, 1), 0);
	assert_int_equal(reads(DIR, 2), 0);
	assert_int_equal(reads(DIR, 3), 4);
	assert_int_equal(reads(DIR, 4), 5); /* 5 to 12 */
	assert_int_equal(reads(DIR, 5), 9);
	assert_int_equal(reads(DIR, 6), 17);
	assert_true(fetched[38] && !fetched[39]);
	for (uint64_t id = 7; id <= FILES; id++) {
		assert_true(fetched[id]);
		(void)reads(DIR, id);
	}
	/* In bunches: none for most of them. */
	memset(fetched, 0, sizeof(fetched));
}

/* No more than what is expected is lost, and nothing more is fetched. */
static void
test_a_wrong_guess_is_the_end(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 10; id++)
		(void)reads(DIR, id);
	assert_int_equal(reads(DIR, 300), 0);
	assert_int_equal(reads(DIR, 200), 0);
	assert_int_equal(reads(DIR, 201), 0);
	assert_int_equal(reads(DIR, 100), 0);
	/* Until it is right again. */
	assert_int_equal(reads(DIR, 101), 0);
	assert_int_equal(reads(DIR, 102), 4);
}

static void
test_at_random(void **state)
{
	unsigned count = 0;

	(void)state;
	srandom(3);
	for (int i = 0; i < 2000; i++)
		count += reads(DIR, 1 + (uint64_t)random() % FILES);
	assert_int_equal(count, 0);
}

static void
test_backwards_and_every_other(void **state)
{
	unsigned count = 0;

	(void)state;
	for (uint64_t id = 200; id > 100; id--)
		count += reads(DIR, id);
	for (uint64_t id = 201; id < 400; id += 2)
		count += reads(DIR, id);
	assert_int_equal(count, 0);
}

/* Four that share the work: the order is not quite one. */
static void
test_a_few_at_once(void **state)
{
	static const uint64_t order[] = { 1, 2, 3, 5, 4, 7, 6, 8, 11, 9, 10,
		12 };
	unsigned count = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		count += reads(DIR, order[i]);
	assert_in_range(count, 32, 60);
	assert_true(fetched[12]);
}

/* Who skips files that were fetched is wrong after a few. */
static void
test_skipped_files_end_it(void **state)
{
	unsigned count = 0;

	(void)state;
	for (uint64_t id = 1; id <= 6; id++)
		(void)reads(DIR, id);
	for (uint64_t id = 8; id <= 30; id += 2)
		count += reads(DIR, id);
	assert_in_range(count, 0, 20);
	assert_int_equal(reads(DIR, 32), 0);
}

static void
test_the_same_again_changes_nothing(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 3; id++) {
		(void)reads(DIR, id);
		assert_int_equal(reads(DIR, id), 0);
	}
	assert_true(fetched[7]);
	assert_int_equal(reads(DIR, 4), 5);
}

/* As many directories as there are turns, in turn. */
static void
test_directories_have_a_turn_each(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 3; id++) {
		for (uint64_t dir = 1; dir <= FOLLOW_TURNS; dir++) {
			unsigned count = reads(dir, id);

			assert_int_equal(count, id == 3 ? 4 : 0);
			memset(fetched, 0, sizeof(fetched));
		}
	}
	/* One more is one too many: the oldest begins anew. */
	(void)reads(100, 1);
	assert_int_equal(reads(1, 4), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_in_order, setup),
		cmocka_unit_test_setup(test_a_wrong_guess_is_the_end, setup),
		cmocka_unit_test_setup(test_at_random, setup),
		cmocka_unit_test_setup(test_backwards_and_every_other, setup),
		cmocka_unit_test_setup(test_a_few_at_once, setup),
		cmocka_unit_test_setup(test_skipped_files_end_it, setup),
		cmocka_unit_test_setup(
		    test_the_same_again_changes_nothing, setup),
		cmocka_unit_test_setup(
		    test_directories_have_a_turn_each, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
