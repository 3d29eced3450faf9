/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_absent.c - tests of what is remembered of names and of questions.
 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "cache/absent.h"
#include "cache/answered.h"

static void
test_names(void **state)
{
	struct absent a;

	(void)state;
	absent_init(&a);
	assert_int_equal(absent_asked_ms(&a, 1, "x"), 0);
	assert_false(absent_drop(&a, 1, "x"));
	absent_note(&a, 1, "x", 100);
	absent_note(&a, 2, "x", 200);
	assert_int_equal(absent_asked_ms(&a, 1, "x"), 100);
	assert_int_equal(absent_asked_ms(&a, 2, "x"), 200);
	assert_int_equal(absent_asked_ms(&a, 1, "y"), 0);
	/* An answer that comes late takes nothing back. */
	absent_note(&a, 1, "x", 50);
	assert_int_equal(absent_asked_ms(&a, 1, "x"), 100);
	assert_true(absent_drop(&a, 1, "x"));
	assert_false(absent_drop(&a, 1, "x"));
	assert_int_equal(absent_asked_ms(&a, 1, "x"), 0);
	assert_int_equal(absent_asked_ms(&a, 2, "x"), 200);
	absent_fini(&a);
}

/* Many names: each is known, or forgotten, but never mistaken. */
static void
test_many(void **state)
{
	unsigned known = 0;
	struct absent a;
	char name[32];

	(void)state;
	absent_init(&a);
	for (int round = 0; round < 2; round++) {
		for (int i = 1; i <= 20000; i++) {
			int64_t ms;

			(void)snprintf(name, sizeof(name), "n%d", i);
			if (round == 0) {
				absent_note(&a, 7, name, i);
				continue;
			}
			ms = absent_asked_ms(&a, 7, name);
			assert_true(ms == 0 || ms == i);
			known += ms != 0 ? 1 : 0;
		}
	}
	assert_in_range(known, 3000, 4096);
	absent_fini(&a);
}

static void
test_a_note_counts_at_once(void **state)
{
	struct answered a;

	(void)state;
	answered_init(&a);
	assert_false(answered_is_new(&a, 5, 0));
	answered_note(&a, 5, 1000);
	assert_false(answered_is_new(&a, 5 + ANSWERED_SLOTS, 1001));
	assert_true(answered_is_new(&a, 5, 1001));
	assert_true(answered_is_new(&a, 5, 999 + ANSWERED_MS));
	assert_false(answered_is_new(&a, 5, 1000 + ANSWERED_MS));
	/* The later of two that share a slot counts. */
	answered_note(&a, 5, 1000);
	answered_note(&a, 5 + ANSWERED_SLOTS, 1000);
	assert_false(answered_is_new(&a, 5, 1000));
	assert_true(answered_is_new(&a, 5 + ANSWERED_SLOTS, 1000));
	answered_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_a_note_counts_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
