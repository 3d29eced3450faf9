/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_conflict.c - who is told that another was first, and what is kept.
 *
 * Role:    unit test of cache/conflict.c, upload.c and file.c.
 */
#include "tests/unit/cache_names.h"

#include <sys/resource.h>

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

static bool
count_name(
    void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	(void)name;
	(void)attr;
	(void)next;
	++*(unsigned *)arg;
	return true;
}

/* How many names there are. */
static unsigned
names(void)
{
	struct cache_dir *d;
	unsigned count = 0;

	assert_int_equal(cache_opendir(cache, ROOT, NULL, &d), 0);
	assert_int_equal(cache_readdir(d, 0, count_name, &count), 0);
	cache_closedir(d);
	return count;
}

/* No file can be opened any more, whichever is closed meanwhile; returns the
 * limit that was. */
static struct rlimit
use_up_files(void)
{
	struct rlimit was, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return was;
}

/* The loser cannot be opened: it is made once, when it can. */
static void
test_too_many_files(void **state)
{
	struct cache_file *f;
	struct rlimit was;
	uint64_t node;

	(void)state;
	f = lose(&node);
	was = use_up_files();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cache_file_flush(f, NULL), -EMFILE);
		assert_int_equal(names(), 1);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(cache_file_flush(f, NULL), -ESTALE);
	assert_int_equal(names(), 2);
	cache_file_close(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_truncate_by_name),
		T(test_each_close),
		T(test_too_many_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
