/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_mover.c - objects that come, change and go while others get new keys.
 *
 * Role:    unit test of cache/mover.c.
 */
#include "tests/unit/cache_names.h"

#include "cache/mover.h"

#define COUNT 200 /* of each kind; a multiple of 2 */

static char *keys[2 * COUNT];

/* "from/000", "from/001" and so on: those with an even number are listed. */
static void
make_keys(void)
{
	for (int i = 0; i < 2 * COUNT; i++) {
		keys[i] = malloc(16);
		assert_non_null(keys[i]);
		(void)snprintf(keys[i], 16, "from/%03d", i);
	}
}

static void
free_keys(void)
{
	for (int i = 0; i < 2 * COUNT; i++)
		free(keys[i]);
}

static const char *
text_of(int i)
{
	return i % 2 != 0 ? "new" : i % 8 == 4 ? "changed" : "listed";
}

/* Whether it was listed, and went. */
static bool
is_gone(int i)
{
	return i % 8 == 2;
}

static void
change_all(void)
{
	for (int i = 0; i < 2 * COUNT; i++) {
		if (is_gone(i))
			fake_remove(s3, keys[i]);
		else
			fake_put_text(s3, keys[i], text_of(i));
	}
}

static void
test_late(void **state)
{
	struct mover m;

	(void)state;
	make_keys();
	for (int i = 0; i < 2 * COUNT; i += 2)
		fake_put_text(s3, keys[i], "listed");
	mover_init(&m, cache, "from/", "to/");
	assert_int_equal(mover_list(&m, "from/", NULL), 0);
	assert_int_equal(m.count, COUNT);
	assert_int_equal(mover_copy(&m, NULL), 0);
	change_all();
	assert_int_equal(mover_refresh(&m, keys, 2 * COUNT, NULL), 0);
	assert_int_equal(m.count, 2 * COUNT);
	for (int i = 0; i < 2 * COUNT; i++) {
		char to[16];

		(void)snprintf(to, sizeof(to), "to/%03d", i);
		assert_string_equal(m.keys[i].key, keys[i]);
		if (is_gone(i))
			assert_false(fake_has(s3, to));
		else
			assert_object(to, text_of(i));
	}
	mover_fini(&m);
	free_keys();
}

int
main(void)
{
	const struct CMUnitTest tests[] = { T(test_late) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
