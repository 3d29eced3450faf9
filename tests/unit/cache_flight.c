/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_flight.c - joined misses: one asks, the others share the answer.
 *
 * Role:    unit test of cache/flight.c; run it under TSan, too.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "cache/flight.h"
#include "s3/base/wait.h"

#define FOLLOWERS 8

static struct flights flights;

/* One who joins, in a thread of its own. */
struct joiner {
	pthread_t thread;
	struct waiter waiter;
	uint64_t id;
	int result;      /* of flight_join() */
	int end_with;    /* if it leads */
	atomic_int *led; /* counts leaders */
	atomic_int *over;
};

static void
nap(void)
{
	const struct timespec ms = { .tv_nsec = 2000000 };

	(void)nanosleep(&ms, NULL);
}

static void *
join_main(void *arg)
{
	struct joiner *j = arg;

	j->result = flight_join(&flights, j->id, &j->waiter);
	if (j->result == FLIGHT_LEAD) {
		atomic_fetch_add(j->led, 1);
		flight_end(&flights, j->id, j->end_with);
	}
	atomic_fetch_add(j->over, 1);
	return NULL;
}

static void
start_all(struct joiner *joiners, int count, uint64_t id, int end_with,
    atomic_int *led, atomic_int *over)
{
	atomic_store(led, 0);
	atomic_store(over, 0);
	for (int i = 0; i < count; i++) {
		joiners[i] = (struct joiner){
			.id = id, .end_with = end_with, .led = led, .over = over
		};
		waiter_init(&joiners[i].waiter);
		assert_int_equal(pthread_create(&joiners[i].thread, NULL,
				     join_main, &joiners[i]),
		    0);
	}
	/* Long enough for all to be waiting. */
	for (int i = 0; i < 25; i++)
		nap();
}

static void
end_all(struct joiner *joiners, int count)
{
	for (int i = 0; i < count; i++) {
		assert_int_equal(pthread_join(joiners[i].thread, NULL), 0);
		waiter_fini(&joiners[i].waiter);
	}
}

static int
set_up(void **state)
{
	(void)state;
	flights_init(&flights);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	assert_int_equal(flights.map.count, 0);
	flights_fini(&flights);
	return 0;
}

static void
test_alone(void **state)
{
	struct waiter w;

	(void)state;
	waiter_init(&w);
	assert_int_equal(flight_join(&flights, 5, &w), FLIGHT_LEAD);
	/* Another id is another matter. */
	assert_int_equal(flight_join(&flights, 6, NULL), FLIGHT_LEAD);
	flight_end(&flights, 6, -EIO);
	flight_end(&flights, 5, 0);
	/* Nothing is kept of an end: the next one asks. */
	assert_int_equal(flight_join(&flights, 5, &w), FLIGHT_LEAD);
	flight_end(&flights, 5, 0);
	waiter_fini(&w);
}

static void
test_try(void **state)
{
	(void)state;
	assert_true(flight_try(&flights, 7));
	assert_false(flight_try(&flights, 7));
	assert_true(flight_try(&flights, 8));
	flight_end(&flights, 7, 0);
	assert_true(flight_try(&flights, 7));
	flight_end(&flights, 7, 0);
	flight_end(&flights, 8, 0);
}

/* All who wait get what the leader ended with; nobody asks again. */
static void
check_shared(int err)
{
	struct joiner joiners[FOLLOWERS];
	atomic_int led, over;

	assert_int_equal(flight_join(&flights, 1, NULL), FLIGHT_LEAD);
	start_all(joiners, FOLLOWERS, 1, 0, &led, &over);
	assert_int_equal(atomic_load(&over), 0);
	flight_end(&flights, 1, err);
	end_all(joiners, FOLLOWERS);
	assert_int_equal(atomic_load(&led), 0);
	for (int i = 0; i < FOLLOWERS; i++)
		assert_int_equal(joiners[i].result, err);
}

static void
test_shared(void **state)
{
	(void)state;
	check_shared(0);
	check_shared(-EIO);
	check_shared(-ENOENT);
	check_shared(-ETIMEDOUT);
}

/* What was the leader's own makes another one lead, once. */
static void
check_own(int err)
{
	struct joiner joiners[FOLLOWERS];
	atomic_int led, over;
	int leaders = 0;

	assert_int_equal(flight_join(&flights, 2, NULL), FLIGHT_LEAD);
	start_all(joiners, FOLLOWERS, 2, 0, &led, &over);
	flight_end(&flights, 2, err);
	end_all(joiners, FOLLOWERS);
	assert_true(atomic_load(&led) >= 1);
	for (int i = 0; i < FOLLOWERS; i++) {
		leaders += joiners[i].result == FLIGHT_LEAD;
		assert_true(
		    joiners[i].result == FLIGHT_LEAD || joiners[i].result == 0);
	}
	assert_int_equal(leaders, atomic_load(&led));
}

static void
test_own(void **state)
{
	(void)state;
	check_own(-EINTR);
	check_own(-ECANCELED);
}

/* One who is interrupted goes; the others go on waiting. */
static void
test_interrupt(void **state)
{
	struct joiner joiners[FOLLOWERS];
	atomic_int led, over;

	(void)state;
	assert_int_equal(flight_join(&flights, 3, NULL), FLIGHT_LEAD);
	start_all(joiners, FOLLOWERS, 3, 0, &led, &over);
	waiter_interrupt(&joiners[2].waiter);
	for (int i = 0; i < 1000 && atomic_load(&over) == 0; i++)
		nap();
	nap();
	assert_int_equal(atomic_load(&over), 1);
	flight_end(&flights, 3, 0);
	end_all(joiners, FOLLOWERS);
	for (int i = 0; i < FOLLOWERS; i++)
		assert_int_equal(joiners[i].result, i == 2 ? -EINTR : 0);
}

/* An interrupt that came before the call counts as well. */
static void
test_interrupted_before(void **state)
{
	struct waiter w;

	(void)state;
	waiter_init(&w);
	waiter_interrupt(&w);
	assert_true(flight_try(&flights, 4));
	assert_int_equal(flight_join(&flights, 4, &w), -EINTR);
	flight_end(&flights, 4, 0);
	waiter_fini(&w);
}

/* Leaders of one id never overlap, whatever they end with. */
struct crowd {
	atomic_int inside[4];
	atomic_int asked;
	atomic_int failed;
	uint64_t plain[4]; /* guarded by being the leader: TSan looks */
};

static void *
crowd_main(void *arg)
{
	static const int ends[] = { 0, -EINTR, -EIO, -ECANCELED };
	struct crowd *crowd = arg;

	for (unsigned i = 0; i < 400; i++) {
		uint64_t k = i % 4;
		int r = flight_join(&flights, k + 1, NULL);

		if (r == FLIGHT_LEAD) {
			if (atomic_fetch_add(&crowd->inside[k], 1) != 0)
				atomic_fetch_add(&crowd->failed, 1);
			crowd->plain[k]++;
			atomic_fetch_add(&crowd->asked, 1);
			atomic_fetch_sub(&crowd->inside[k], 1);
			flight_end(&flights, k + 1, ends[i / 4 % 4]);
		} else if (r != 0 && r != -EIO) {
			atomic_fetch_add(&crowd->failed, 1);
		}
	}
	return NULL;
}

static void
test_crowd(void **state)
{
	struct crowd crowd = { 0 };
	pthread_t threads[16];

	(void)state;
	for (int i = 0; i < 16; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, crowd_main, &crowd), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&crowd.failed), 0);
	assert_int_equal(
	    crowd.plain[0] + crowd.plain[1] + crowd.plain[2] + crowd.plain[3],
	    (uint64_t)atomic_load(&crowd.asked));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_try, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_interrupt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_interrupted_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_crowd, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
