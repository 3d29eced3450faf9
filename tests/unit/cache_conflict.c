/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_conflict.c - who is told that another was first.
 *
 * Role:    unit test of cache/upload.c and file.c.
 */
#include "tests/unit/cache_names.h"

/* A file that was written here, and replaced by another since. */
static struct cache_file *
lose(uint64_t *ret_node)
{
	struct cache_file *f;

	fake_put_text(s3, "a", "base");
	*ret_node = get(ROOT, "a").node;
	f = open_file(ROOT, "a");
	assert_int_equal(cache_file_write(f, 0, "mine", 4, false, NULL), 0);
	fake_put_text(s3, "a", "theirs");
	return f;
}

/* The one who truncates by name has no descriptor that could be told later. */
static void
test_truncate_by_name(void **state)
{
	struct cache_set set = { .what = CACHE_SET_SIZE, .size = 2 };
	struct cache_attr attr;
	struct cache_file *f;
	uint64_t node;

	(void)state;
	f = lose(&node);
	assert_int_equal(
	    cache_setattr(cache, node, NULL, &set, NULL, &attr), -ESTALE);
	assert_object("a", "theirs");
	assert_int_equal(cache_file_flush(f, NULL), -ESTALE);
	cache_file_close(f);
}

/* A forked process closes what it inherited: who wrote is told, too. */
static void
test_each_close(void **state)
{
	struct cache_file *f;
	uint64_t node;

	(void)state;
	f = lose(&node);
	for (int i = 0; i < 3; i++)
		assert_int_equal(cache_file_flush(f, NULL), -ESTALE);
	assert_int_equal(cache_file_sync(f, false, NULL), -ESTALE);
	cache_file_close(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_truncate_by_name),
		T(test_each_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
