/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_walk.c - how many listings a walk of the tree costs.
 *
 * Role:    test of cache/walk.h through the façade.
 */
#include "tests/unit/cache_folder.h"

#include <fcntl.h>

#define ROOT CACHE_ROOT
#define DIRS 10
#define EACH 5 /* files in a directory */

static bool
take(void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	(void)name;
	(void)attr;
	(void)next;
	++*(unsigned *)arg;
	return true;
}

static uint64_t
lists(void)
{
	return fake_count(s3, S3_LIST_OBJECTS);
}

/* List a directory by its path; returns how many listings that cost. */
static uint64_t
list_dir(const char *path, unsigned entries)
{
	struct cache_dir *d;
	uint64_t node = ROOT, n;
	unsigned count = 0;
	char copy[64], *rest;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *name = strtok_r(copy, "/", &rest); name != NULL;
	     name = strtok_r(NULL, "/", &rest)) {
		struct cache_attr attr;

		assert_int_equal(
		    cache_lookup(cache, node, name, NULL, &attr), 0);
		node = attr.node;
	}
	n = lists();
	assert_int_equal(cache_opendir(cache, node, NULL, &d), 0);
	assert_int_equal(cache_readdir(d, 0, take, &count), 0);
	cache_closedir(d);
	assert_int_equal(count, entries);
	return lists() - n;
}

/* Files in t/dN${below}/, and so in ${dirs} directories. */
static void
put_tree(unsigned dirs, const char *below)
{
	char key[64];

	for (unsigned i = 0; i < dirs * EACH; i++) {
		(void)snprintf(
		    key, sizeof(key), "t/d%u%s/%u", i / EACH, below, i % EACH);
		fake_put(s3, key, 1, 1);
	}
}

/* By the second of its children that is listed in turn. */
static void
test_siblings(void **state)
{
	(void)state;
	put_tree(DIRS, "");
	assert_int_equal(list_dir("t", DIRS), 1);
	assert_int_equal(list_dir("t/d0", EACH), 1);
	assert_int_equal(list_dir("t/d1", EACH), 1);
	for (int i = 2; i < DIRS; i++) {
		char path[16];

		(void)snprintf(path, sizeof(path), "t/d%d", i);
		assert_int_equal(list_dir(path, EACH), 0);
	}
}

/* By who came down to it from listing to listing. */
static void
test_descent(void **state)
{
	(void)state;
	put_tree(DIRS, "");
	assert_int_equal(list_dir("", 1), 1);
	assert_int_equal(list_dir("t", DIRS), 1);
	assert_int_equal(list_dir("t/d0", EACH), 1);
	assert_int_equal(list_dir("t/d1", EACH), 0);
	assert_int_equal(list_dir("t/d9", EACH), 0);
}

/* ... page by page, each once. */
static void
test_descent_of_pages(void **state)
{
	char path[16];

	(void)state;
	s3->page_size = 2 * EACH;
	put_tree(DIRS, "");
	assert_int_equal(list_dir("", 1), 1);
	assert_int_equal(list_dir("t", DIRS), 1);
	for (int i = 0; i < DIRS; i++) {
		(void)snprintf(path, sizeof(path), "t/d%d", i);
		(void)list_dir(path, EACH);
	}
	assert_int_equal(lists(), 2 + DIRS / 2);
}

/* One step down is no walk: it may be for that alone. */
static void
test_one_step(void **state)
{
	(void)state;
	put_tree(DIRS, "");
	assert_int_equal(list_dir("t", DIRS), 1);
	assert_int_equal(list_dir("t/d5", EACH), 1);
	assert_int_equal(list_dir("t/d6", EACH), 1);
}

/* Where much lies below, that is one listing in vain, and no more. */
static void
test_descent_in_vain(void **state)
{
	(void)state;
	s3->page_size = 3;
	put_tree(DIRS, "/below");
	fake_put(s3, "t/d0/z", 1, 1);
	assert_int_equal(list_dir("", 1), 1);
	assert_int_equal(list_dir("t", DIRS), 1 + DIRS / 3);
	s3->most_in_flight = 0;
	assert_int_equal(list_dir("t/d0", 2), 2);
	assert_int_equal(s3->most_in_flight, 1);
}

/* What lies beside the directories is known: it is not seen anew, as that may
 * have a young file asked for again. */
static void
test_beside(void **state)
{
	struct cache_attr attr, file;
	uint64_t heads;

	(void)state;
	close_cache();
	config.attrs = CACHE_ATTRS_POSIX;
	open_cache();
	put_tree(DIRS, "");
	fake_put(s3, "t/z", 5000, 1);
	fake_object(&s3->bucket, "t/z")->modified_ns = test_wall_ns(NULL);
	assert_int_equal(list_dir("", 1), 1);
	assert_int_equal(list_dir("t", DIRS + 1), 1);
	assert_int_equal(cache_lookup(cache, ROOT, "t", NULL, &attr), 0);
	assert_int_equal(cache_lookup(cache, attr.node, "z", NULL, &file), 0);
	assert_int_equal(cache_getattr(cache, file.node, NULL, NULL, &file), 0);
	atomic_fetch_add(&now_ms, 1);
	assert_int_equal(list_dir("t/d0", EACH), 1);
	assert_int_equal(list_dir("t/d9", EACH), 0);
	heads = fake_count(s3, S3_HEAD_OBJECT);
	assert_int_equal(cache_getattr(cache, file.node, NULL, NULL, &file), 0);
	assert_int_equal(fake_count(s3, S3_HEAD_OBJECT), heads);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_siblings),
		T(test_descent),
		T(test_descent_of_pages),
		T(test_one_step),
		T(test_descent_in_vain),
		T(test_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
