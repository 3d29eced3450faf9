/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_pace.c - tests of limits of bytes and requests a second; no time passes.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "s3/pace.h"

#define PIECE   16384 /* as curl gives what it received */
#define START   INT64_C(123456789)
#define SECOND  1000
#define HOLDS   8
#define MIB     (UINT64_C(1) << 20)
#define SPAN_MS 10000

static struct pace pace;
static struct pace_hold holds[HOLDS];
static uint64_t moved[HOLDS];

static void
set_up(uint64_t up, uint64_t down, uint64_t requests)
{
	const struct pace_limits limits = { .bytes_s = { up, down },
		.requests_s = requests };

	pace_init(&pace, &limits, START);
	for (int i = 0; i < HOLDS; i++)
		pace_hold_init(&holds[i], false);
	memset(moved, 0, sizeof(moved));
}

/* Holds that always have more: each moves until it is held. */
static void
move(int i, enum pace_way way, int64_t now)
{
	size_t n;

	do {
		n = pace_ask(&pace, &holds[i], way, PIECE, now);
		moved[i] += n;
	} while (n > 0);
}

/* Those whose turn it is, at ${now}. */
static void
go_on(int64_t now)
{
	enum pace_way way;
	struct pace_hold *hold;

	while ((hold = pace_next(&pace, now, &way)) != NULL)
		move((int)(hold - holds), way, now);
}

static uint64_t
total(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < HOLDS; i++)
		sum += moved[i];
	return sum;
}

static void
test_without_limits_nothing_waits(void **state)
{
	(void)state;
	pace_init(&pace, NULL, START);
	pace_hold_init(&holds[0], true);
	assert_false(pace_is_set(&pace));
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(pace_request_ms(&pace, START), 0);
		pace_request(&pace, START);
		for (int way = 0; way < PACE_WAYS; way++)
			assert_int_equal(
			    pace_ask(&pace, &holds[0], way, 64 * MIB, START),
			    64 * MIB);
	}
	assert_int_equal(pace_next_ms(&pace, START), -1);
}

/* So many in a second, whichever second, and a tenth and one at once. */
static void
check_requests(uint64_t n, int64_t tick)
{
	static int64_t times[SPAN_MS * 16];
	size_t count = 0;

	set_up(0, 0, n);
	for (int64_t now = START; now < START + SPAN_MS; now += tick) {
		/* Nothing is asked for a while: that is not made up for. */
		if (now > START + 4 * SECOND && now < START + 6 * SECOND)
			continue;
		while (pace_request_ms(&pace, now) == 0) {
			pace_request(&pace, now);
			times[count++] = now;
		}
	}
	for (size_t i = 0, j = 0; j < count; j++) {
		while (times[j] - times[i] >= SECOND)
			i++;
		assert_in_range(j - i + 1, 1, n + n / 10 + 1);
	}
	assert_in_range(count, n * 8 - n / 10 - 8, n * 9);
}

static void
test_requests_in_any_second(void **state)
{
	static const uint64_t rates[] = { 1, 3, 10, 100, 4000 };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		check_requests(rates[i], 1);
		check_requests(rates[i], 7);
	}
}

/* Who waits as long as it is told has its turn, and not a ms sooner. */
static void
test_the_wait_is_right(void **state)
{
	int64_t now = START, ms;

	(void)state;
	set_up(0, 0, 3);
	for (int i = 0; i < 50; i++) {
		ms = pace_request_ms(&pace, now);
		if (ms > 1)
			assert_int_equal(
			    pace_request_ms(&pace, now + ms - 1), 1);
		now += ms;
		assert_int_equal(pace_request_ms(&pace, now), 0);
		pace_request(&pace, now);
	}
	assert_in_range(now - START, 49 * 333 - 333, 50 * 334);
}

/* A request that nobody can stop counts, too. */
static void
test_one_too_many_is_paid_for(void **state)
{
	(void)state;
	set_up(0, 0, 10);
	for (int i = 0; i < 5; i++)
		pace_request(&pace, START);
	assert_int_equal(pace_request_ms(&pace, START), 400);
	assert_int_equal(pace_request_ms(&pace, START + 400), 0);
}

static void
check_bytes(enum pace_way way, uint64_t rate, int count)
{
	uint64_t burst = rate / 10 < PIECE ? PIECE : rate / 10, sum;

	set_up(way == PACE_UP ? rate : 0, way == PACE_DOWN ? rate : 0, 0);
	for (int i = 0; i < count; i++)
		move(i, way, START);
	for (int64_t now = START; now < START + SPAN_MS; now++)
		go_on(now);
	sum = total();
	/* What comes down may be one piece too much. */
	assert_in_range(
	    sum, rate * 10 - rate / 50 - PIECE, rate * 10 + burst + PIECE);
	for (int i = 0; i < count && rate > 100000; i++)
		assert_in_range(moved[i], sum / (uint64_t)count * 8 / 10,
		    sum / (uint64_t)count * 12 / 10 + 2 * burst);
}

static void
test_bytes_are_shared(void **state)
{
	static const uint64_t rates[] = { 5000, 100000, MIB, 100 * MIB };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		for (int count = 1; count <= HOLDS; count++) {
			check_bytes(PACE_UP, rates[i], count);
			check_bytes(PACE_DOWN, rates[i], count);
		}
	}
}

/* Both go on, a quarter for who is not waited for. */
static void
test_the_foreground_first(void **state)
{
	(void)state;
	set_up(0, MIB, 0);
	for (int i = 0; i < 4; i++)
		pace_hold_init(&holds[i], i < 2);
	for (int i = 0; i < 4; i++)
		move(i, PACE_DOWN, START);
	memset(moved, 0, sizeof(moved));
	for (int64_t now = START; now < START + SPAN_MS; now++)
		go_on(now);
	assert_in_range(moved[0] + moved[1], total() / 5, total() * 3 / 10);
	assert_in_range(moved[0], moved[1] * 9 / 10, moved[1] * 11 / 10);
	/* Alone, it has all. */
	pace_leave(&pace, &holds[2]);
	pace_leave(&pace, &holds[3]);
	memset(moved, 0, sizeof(moved));
	for (int64_t now = START + SPAN_MS; now < START + 2 * SPAN_MS; now++)
		go_on(now);
	assert_in_range(total(), 9 * MIB, 11 * MIB);
}

static void
test_who_leaves_leaves_what_it_has(void **state)
{
	enum pace_way way;
	int64_t now;

	(void)state;
	set_up(MIB, 0, 0);
	move(0, PACE_UP, START);
	move(1, PACE_UP, START);
	assert_true(pace_is_held(&holds[0]) && pace_is_held(&holds[1]));
	now = START + pace_next_ms(&pace, START);
	assert_ptr_equal(pace_next(&pace, now, &way), &holds[0]);
	assert_int_equal(way, PACE_UP);
	assert_false(pace_is_held(&holds[0]));
	/* Not the next one's yet; then it is, at once. */
	assert_null(pace_next(&pace, now, &way));
	pace_leave(&pace, &holds[0]);
	assert_ptr_equal(pace_next(&pace, now, &way), &holds[1]);
	pace_leave(&pace, &holds[1]);
	assert_int_equal(pace_next_ms(&pace, now), -1);
	/* Who is held leaves the queue. */
	move(2, PACE_UP, now);
	move(3, PACE_UP, now);
	pace_leave(&pace, &holds[2]);
	now += pace_next_ms(&pace, now);
	assert_ptr_equal(pace_next(&pace, now, &way), &holds[3]);
}

/* Who comes later does not overtake. */
static void
test_nobody_overtakes(void **state)
{
	int64_t now;

	(void)state;
	set_up(MIB, 0, 0);
	move(0, PACE_UP, START);
	now = START + SECOND;
	assert_int_equal(pace_ask(&pace, &holds[1], PACE_UP, PIECE, now), 0);
	assert_true(pace_is_held(&holds[1]));
}

/* A source that gave less than it was asked for. */
static void
test_what_did_not_move_is_returned(void **state)
{
	size_t n;

	(void)state;
	set_up(MIB, 0, 0);
	n = pace_ask(&pace, &holds[0], PACE_UP, MIB, START);
	assert_int_equal(n, MIB / 10);
	pace_return(&pace, PACE_UP, n);
	pace_return(&pace, PACE_UP, n); /* and no more than there is room for */
	assert_int_equal(
	    pace_ask(&pace, &holds[0], PACE_UP, MIB, START), MIB / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_limits_nothing_waits),
		cmocka_unit_test(test_requests_in_any_second),
		cmocka_unit_test(test_the_wait_is_right),
		cmocka_unit_test(test_one_too_many_is_paid_for),
		cmocka_unit_test(test_bytes_are_shared),
		cmocka_unit_test(test_the_foreground_first),
		cmocka_unit_test(test_who_leaves_leaves_what_it_has),
		cmocka_unit_test(test_nobody_overtakes),
		cmocka_unit_test(test_what_did_not_move_is_returned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
