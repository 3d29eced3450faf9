/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_inode.c - lookup counts.
 */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "fs/inode.h"

static void
test_counts(void **state)
{
	struct inodes t;

	(void)state;
	inodes_init(&t);
	assert_int_equal(inodes_add(&t, 7), 0);
	assert_int_equal(inodes_add(&t, 7), 0);
	assert_int_equal(inodes_add(&t, UINT64_MAX), 0);
	assert_int_equal(inodes_count(&t), 2);
	assert_false(inodes_forget(&t, 7, 1));
	assert_int_equal(inodes_count(&t), 2);
	assert_true(inodes_has(&t, 7));
	assert_true(inodes_forget(&t, 7, 1));
	assert_false(inodes_has(&t, 7));
	assert_int_equal(inodes_count(&t), 1);
	assert_true(inodes_forget(&t, UINT64_MAX, 1));
	assert_int_equal(inodes_count(&t), 0);
	inodes_fini(&t);
}

/* The kernel may forget what was never told, or more than was. */
static void
test_forget_too_much(void **state)
{
	struct inodes t;

	(void)state;
	inodes_init(&t);
	assert_false(inodes_forget(&t, 5, 1));
	assert_int_equal(inodes_add(&t, 5), 0);
	assert_true(inodes_forget(&t, 5, UINT64_MAX));
	assert_int_equal(inodes_count(&t), 0);
	inodes_fini(&t);
}

/* DESIGN: what the kernel merely knows costs at most 32 bytes each. */
static void
test_cost(void **state)
{
	enum {
		COUNT = 100000
	};
	struct inodes t;

	(void)state;
	inodes_init(&t);
	for (uint64_t i = 1; i <= COUNT; i++)
		assert_int_equal(inodes_add(&t, i << 20), 0);
	assert_int_equal(inodes_count(&t), COUNT);
	assert_true(
	    t.counts.size * sizeof(struct map_slot) <= UINT64_C(32) * COUNT);
	for (uint64_t i = 1; i <= COUNT; i++)
		inodes_forget(&t, i << 20, 1);
	assert_int_equal(inodes_count(&t), 0);
	assert_true(t.counts.size <= 64);
	inodes_fini(&t);
}

#define THREADS 4
#define ROUNDS  20000

static void *
add_and_forget(void *arg)
{
	struct inodes *t = arg;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		if (inodes_add(t, 1 + i % 97) < 0)
			return t;
	}
	for (uint64_t i = 0; i < ROUNDS - 97; i++)
		inodes_forget(t, 1 + i % 97, 1);
	return NULL;
}

/* No count is lost between threads. */
static void
test_threads(void **state)
{
	pthread_t threads[THREADS];
	struct inodes t;
	void *failed;

	(void)state;
	inodes_init(&t);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, add_and_forget, &t), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(inodes_count(&t), 97);
	for (uint64_t node = 1; node <= 97; node++)
		inodes_forget(&t, node, THREADS);
	assert_int_equal(inodes_count(&t), 0);
	inodes_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_forget_too_much),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
