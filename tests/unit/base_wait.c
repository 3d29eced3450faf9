/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_wait.c - tests of s3/base/wait.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <time.h>

#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/wait.h"

#define ROUNDS 2000

static void
test_kept_and_used_up(void **state)
{
	struct waiter w;
	int64_t start;

	(void)state;
	waiter_init(&w);
	waiter_wake(&w);
	assert_int_equal(waiter_wait(&w, WAIT_FOREVER), 0);
	start = clock_mono_ms(&clock_system);
	assert_int_equal(waiter_wait(&w, 30), -ETIMEDOUT);
	assert_true(clock_mono_ms(&clock_system) - start >= 29);
	waiter_wake(&w);
	waiter_reset(&w);
	assert_int_equal(waiter_wait(&w, 0), -ETIMEDOUT);
	waiter_fini(&w);
}

static void
test_interrupt_stays(void **state)
{
	struct waiter w;

	(void)state;
	waiter_init(&w);
	assert_int_equal(waiter_wait(&w, 0), -ETIMEDOUT);
	waiter_interrupt(&w);
	assert_int_equal(waiter_wait(&w, WAIT_FOREVER), -EINTR);
	waiter_reset(&w);
	assert_int_equal(waiter_wait(&w, WAIT_FOREVER), -EINTR);
	waiter_fini(&w);
}

/* Two threads hand a number to each other; a lost wake hangs the test. */
struct game {
	struct lock lock;
	struct list waiting; /* [lock] */
	int number;          /* [lock] */
};

static void
wait_for(struct game *g, int number)
{
	struct waiter w;
	bool is_there;

	waiter_init(&w);
	for (;;) {
		waiter_reset(&w);
		lock_take(&g->lock);
		is_there = g->number >= number;
		if (!is_there)
			list_append(&g->waiting, &w.link);
		lock_drop(&g->lock);
		if (is_there)
			break;
		(void)waiter_wait(&w, WAIT_FOREVER); /* only woken */
		lock_take(&g->lock);
		list_remove(&w.link);
		lock_drop(&g->lock);
	}
	waiter_fini(&w);
}

static void
advance(struct game *g)
{
	lock_take(&g->lock);
	g->number++;
	waiter_wake_all(&g->waiting);
	lock_drop(&g->lock);
}

static void *
play(void *arg)
{
	struct game *g = arg;

	for (int i = 0; i < ROUNDS; i++) {
		wait_for(g, 2 * i + 1);
		advance(g);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct game g = { .number = 0 };
	pthread_t thread;

	(void)state;
	lock_init(&g.lock);
	list_init(&g.waiting);
	assert_int_equal(pthread_create(&thread, NULL, play, &g), 0);
	for (int i = 0; i < ROUNDS; i++) {
		advance(&g);
		wait_for(&g, 2 * i + 2);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(g.number, 2 * ROUNDS);
	lock_fini(&g.lock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_and_used_up),
		cmocka_unit_test(test_interrupt_stays),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
