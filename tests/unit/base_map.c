/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_map.c - tests of s3/base/map.c.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "s3/base/map.h"

#define KEYS  4096
#define STEPS 400000

static void
test_simple(void **state)
{
	struct map m;
	uint64_t v = 42;

	(void)state;
	map_init(&m);
	assert_false(map_get(&m, 1, &v));
	assert_int_equal(v, 42);
	assert_false(map_remove(&m, 1));
	assert_int_equal(map_set(&m, 1, 10), 0);
	assert_int_equal(map_set(&m, UINT64_MAX, 11), 0);
	assert_int_equal(map_set(&m, 1, 12), 0);
	assert_int_equal(m.count, 2);
	assert_true(map_get(&m, 1, &v));
	assert_int_equal(v, 12);
	*map_find(&m, UINT64_MAX) = 13;
	assert_true(map_get(&m, UINT64_MAX, &v));
	assert_int_equal(v, 13);
	assert_null(map_find(&m, 2));
	assert_true(map_remove(&m, 1));
	assert_false(map_get(&m, 1, &v));
	map_fini(&m);
}

/* Against a plain array, with keys that collide in their low bits. */
static void
test_random(void **state)
{
	static uint64_t model[KEYS];
	struct map m;
	uint64_t key, v;
	uint32_t rnd = 1, n;
	size_t count = 0;

	(void)state;
	memset(model, 0, sizeof(model));
	map_init(&m);
	for (int i = 0; i < STEPS; i++) {
		rnd = rnd * 1664525U + 1013904223U;
		n = rnd >> 8 & (KEYS - 1);
		key = ((uint64_t)n + 1) << 12;
		/* Fill in one half of the time, empty in the other. */
		if ((rnd >> 28) < (i / 50000 % 2 ? 4U : 12U)) {
			count += model[n] == 0;
			model[n] = (uint64_t)i + 1;
			assert_int_equal(map_set(&m, key, model[n]), 0);
		} else {
			assert_int_equal(map_remove(&m, key), model[n] != 0);
			count -= model[n] != 0;
			model[n] = 0;
		}
		assert_int_equal(m.count, count);
	}
	for (n = 0; n < KEYS; n++) {
		key = ((uint64_t)n + 1) << 12;
		assert_int_equal(map_get(&m, key, &v), model[n] != 0);
		if (model[n] != 0)
			assert_int_equal(v, model[n]);
	}
	map_fini(&m);
}

/* What map.h promises: 17 to 34 MB for a million; and it shrinks. */
static void
test_memory(void **state)
{
	struct map m;

	(void)state;
	map_init(&m);
	for (uint64_t i = 1; i <= 1000000; i++)
		assert_int_equal(map_set(&m, i, i), 0);
	assert_true(m.size * sizeof(struct map_slot) <= 34000000);
	for (uint64_t i = 1; i <= 1000000; i++)
		assert_true(map_remove(&m, i));
	assert_int_equal(m.count, 0);
	assert_true(m.size <= 1024);
	map_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
