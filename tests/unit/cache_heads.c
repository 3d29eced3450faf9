/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_heads.c - headers asked ahead: how many, once each, across
 * directories.
 *
 * Role:    test of cache/heads.h and cache/walk.h through the façade.
 */
#include "tests/unit/cache_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include "cache/core.h"
#include "cache/worker.h"
#include "s3/base/wait.h"

#define ROOT  CACHE_ROOT
#define FILES 100
#define MANY  600
#define DIRS  10
#define LARGE 5000 /* a regular file for certain */
#define SMALL 10   /* what it is, only a HEAD tells */

/* The entries of a directory in their order. */
struct entries {
	uint64_t nodes[MANY];
	unsigned count;
};

static bool
take(void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	struct entries *entries = arg;

	(void)name;
	(void)next;
	assert_true(entries->count < MANY);
	entries->nodes[entries->count++] = attr->node;
	return true;
}

static void
list_dir(uint64_t node, struct entries *ret)
{
	struct cache_dir *d;

	ret->count = 0;
	assert_int_equal(cache_opendir(cache, node, NULL, &d), 0);
	assert_int_equal(cache_readdir(d, 0, take, ret), 0);
	cache_closedir(d);
}

static uint64_t
lookup(uint64_t parent, const char *name)
{
	struct cache_attr attr;

	assert_int_equal(cache_lookup(cache, parent, name, NULL, &attr), 0);
	return attr.node;
}

static void
look_at(uint64_t node)
{
	struct cache_attr attr;

	assert_int_equal(cache_getattr(cache, node, NULL, NULL, &attr), 0);
	assert_true(attr.complete);
}

static uint64_t
heads(void)
{
	return fake_count(s3, S3_HEAD_OBJECT);
}

static void
put(const char *dir, unsigned count, uint64_t size)
{
	char key[32];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "%s/%03u", dir, i);
		fake_put(s3, key, size, 1);
	}
}

/* Mount with the headers, over directory d; list it. */
static void
open_posix(unsigned count, struct entries *ret)
{
	close_cache();
	config.attrs = CACHE_ATTRS_POSIX;
	put("d", count, LARGE);
	/* Else they are too young for their time to be trusted. */
	atomic_fetch_add(&now_ms, 1000000);
	open_cache();
	list_dir(lookup(ROOT, "d"), ret);
}

/* Who begins at the first entry goes on, it seems; at any other, not. */
static void
test_first(void **state)
{
	struct entries d;
	uint64_t n;

	(void)state;
	open_posix(FILES, &d);
	assert_int_equal(d.count, FILES);
	n = heads();
	look_at(d.nodes[50]);
	assert_int_equal(heads() - n, 1);
	look_at(d.nodes[0]);
	assert_int_equal(heads() - n, 1 + 1 + 16);
}

static void
test_one_each(void **state)
{
	struct entries d;
	uint64_t n;

	(void)state;
	open_posix(FILES, &d);
	n = heads();
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < d.count; i++)
			look_at(d.nodes[i]);
		assert_int_equal(heads() - n, FILES);
	}
}

struct barrier {
	struct job job;
	struct waiter *waiter;
};

static void
run_barrier(struct job *job)
{
	waiter_wake(((struct barrier *)(void *)job)->waiter);
}

/* Until all that was asked is answered and noted, and nothing more is asked for
 * that. */
static void
settle(void)
{
	struct barrier b = { .job = { .run = run_barrier } };
	struct s3_stats stats;
	struct s3_call call;
	struct waiter w;
	uint64_t n;

	waiter_init(&w);
	b.waiter = &w;
	do {
		n = heads();
		/* Behind all others on the net thread, and on the worker. */
		s3_call_init(&call, S3_HEAD_BUCKET);
		(void)s3_run(s3, &call, NULL);
		s3_call_fini(&call);
		waiter_reset(&w);
		worker_post(cache->worker, &b.job);
		(void)waiter_wait(&w, WAIT_FOREVER);
		s3_get_stats(s3, &stats);
	} while (stats.in_flight > 0 || heads() != n);
	waiter_fini(&w);
}

/* Answers alone have more asked for, the further the more often somebody has
 * waited for the next one; and then no more. */
static void
test_lead(void **state)
{
	struct entries d;
	uint64_t n;

	(void)state;
	open_posix(MANY, &d);
	n = heads();
	look_at(d.nodes[0]);
	settle();
	assert_int_equal(heads() - n, 1 + 16);
	look_at(d.nodes[17]);
	settle();
	assert_int_equal(heads() - n, 17 + 1 + 64);
	look_at(d.nodes[82]);
	settle();
	assert_int_equal(heads() - n, 82 + 1 + 2 * 64);
	look_at(d.nodes[211]);
	settle();
	assert_int_equal(heads() - n, 211 + 1 + 3 * 64);
	look_at(d.nodes[404]);
	settle();
	assert_int_equal(heads() - n, MANY);
}

/* What was asked ahead for the types of small objects alone does not count as
 * asked for the large ones. */
static void
test_types_first(void **state)
{
	struct entries d;
	char name[8];
	uint64_t n;

	(void)state;
	for (unsigned i = 1; i < 40; i += 2) {
		(void)snprintf(name, sizeof(name), "d/%03u", i);
		fake_put(s3, name, SMALL, 1);
	}
	open_posix(1, &d);
	put("d", 1, LARGE);
	for (unsigned i = 2; i < 40; i += 2) {
		(void)snprintf(name, sizeof(name), "d/%03u", i);
		fake_put(s3, name, LARGE, 1);
	}
	atomic_fetch_add(&now_ms, 1000000);
	list_dir(lookup(ROOT, "d"), &d);
	assert_int_equal(d.count, 40);
	n = heads();
	for (unsigned i = 1; i < 40; i += 2) {
		(void)snprintf(name, sizeof(name), "%03u", i);
		(void)lookup(lookup(ROOT, "d"), name);
	}
	assert_int_equal(heads() - n, 20);
	settle();
	look_at(d.nodes[0]);
	/* 16 ahead, but for those whose answers before are not noted yet. */
	assert_in_range(heads() - n, 20 + 1 + 8, 20 + 1 + 16);
	for (unsigned i = 1; i < 40; i++)
		look_at(d.nodes[i]);
	assert_int_equal(heads() - n, 40);
}

/* Small directories are gone through in one go, and a listing of the walk
 * tells which have no marker. */
static void
test_walk(void **state)
{
	struct entries d;
	char name[8];
	uint64_t n;

	(void)state;
	close_cache();
	config.attrs = CACHE_ATTRS_POSIX;
	for (unsigned i = 0; i < DIRS; i++) {
		(void)snprintf(name, sizeof(name), "w%02u", i);
		put(name, 5, LARGE);
	}
	fake_put(s3, "w07/", 0, 1);
	fake_meta(s3, "w07/", "mode", "16832"); /* 040700 */
	atomic_fetch_add(&now_ms, 1000000);
	open_cache();
	list_dir(ROOT, &d);
	n = heads();
	for (unsigned i = 0; i < DIRS; i++) {
		struct cache_attr attr;

		(void)snprintf(name, sizeof(name), "w%02u", i);
		assert_int_equal(
		    cache_getattr(cache, lookup(ROOT, name), NULL, NULL, &attr),
		    0);
		assert_int_equal(attr.mode & 07777, i == 7 ? 0700 : 0755);
		list_dir(attr.node, &d);
		assert_int_equal(d.count, 5);
		for (unsigned k = 0; k < d.count; k++)
			look_at(d.nodes[k]);
		if (i == 1) /* two and a half directories, not one at a time */
			assert_true(heads() - n >= 7 + 17);
	}
	/* Those of the first two, before the walk was one, and the marker. */
	assert_int_equal(heads() - n, DIRS * 5 + 3);
}

/* The marker of the next directory may be the last that there is room for: what
 * is in it waits. */
static void
test_full_between_directories(void **state)
{
	struct entries root, d;
	uint64_t first, n;

	(void)state;
	close_cache();
	config.attrs = CACHE_ATTRS_POSIX;
	put("a", 16, LARGE);
	put("b", FILES, LARGE);
	atomic_fetch_add(&now_ms, 1000000);
	open_cache();
	list_dir(ROOT, &root);
	list_dir(root.nodes[1], &d);
	list_dir(root.nodes[0], &d);
	assert_int_equal(d.count, 16);
	first = d.nodes[0];
	n = heads();
	look_at(first);
	assert_int_equal(heads() - n, 1 + 16);
}

/* attrs=list: who opens what was listed too long ago asks for that alone. */
static void
test_list_asks_for_one(void **state)
{
	struct entries d;
	uint64_t n;

	(void)state;
	put("d", 20, LARGE);
	list_dir(lookup(ROOT, "d"), &d);
	n = heads();
	atomic_fetch_add(&now_ms, TTL + 1);
	for (unsigned i = 0; i < 5; i++) {
		struct cache_file *f;

		assert_int_equal(
		    cache_file_open(cache, d.nodes[i], O_RDONLY, NULL, &f), 0);
		cache_file_close(f);
	}
	assert_int_equal(heads() - n, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_first),
		T(test_one_each),
		T(test_lead),
		T(test_types_first),
		T(test_walk),
		T(test_full_between_directories),
		T(test_list_asks_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
