/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_engine_read.c - the whole layer, over an S3 in memory: bytes.
 *
 * Role:    test of cache/cache.h: open, read, misses, eviction, interrupts.
 */
#include "tests/unit/cache_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include "cache/admin.h"
#include "cache/core.h"

#define ROOT CACHE_ROOT
#define PART (8 * MIB)

static uint64_t
node_of(const char *name)
{
	struct cache_attr attr;

	assert_int_equal(cache_lookup(cache, ROOT, name, NULL, &attr), 0);
	return attr.node;
}

/* Files that are open: a test that fails leaves them to tear_down_files(). */
static struct cache_file *opened[8];

static struct cache_file *
open_file(const char *name)
{
	struct cache_file **f = opened;

	while (*f != NULL)
		f++;
	assert_int_equal(
	    cache_file_open(cache, node_of(name), O_RDONLY, NULL, f), 0);
	return *f;
}

static void
close_file(struct cache_file *f)
{
	for (size_t i = 0; i < 8; i++) {
		if (opened[i] == f)
			opened[i] = NULL;
	}
	cache_file_close(f);
}

static int
tear_down_files(void **state)
{
	for (int kind = 0; kind < S3_KIND_COUNT; kind++)
		fake_hold(s3, (enum s3_kind)kind, false);
	for (size_t i = 0; i < 8; i++) {
		if (opened[i] != NULL)
			close_file(opened[i]);
	}
	return tear_down(state);
}

/* Read, and compare with what the object holds. */
static void
check_read(struct cache_file *f, unsigned seed, uint64_t size, uint64_t off,
    size_t len)
{
	struct cache_bytes b;
	size_t want = off >= size        ? 0
		      : len < size - off ? len
					 : (size_t)(size - off);

	assert_int_equal(cache_file_read(f, off, len, NULL, &b), 0);
	assert_int_equal(b.len, want);
	for (size_t i = 0; i < want; i++) {
		if (((const uint8_t *)b.data)[i] != fake_byte(seed, off + i))
			fail_msg("byte %llu is wrong",
			    (unsigned long long)(off + i));
	}
	cache_bytes_put(cache, &b);
}

static int
read_error(struct cache_file *f, uint64_t off, size_t len, struct waiter *w)
{
	struct cache_bytes b = { 0 };
	int r = cache_file_read(f, off, len, w, &b);

	if (r == 0)
		cache_bytes_put(cache, &b);
	return r;
}

/* Until nothing is on its way. */
static void
settle(void)
{
	struct s3_stats stats;

	do {
		(void)usleep(2000);
		s3_get_stats(s3, &stats);
	} while (stats.in_flight > 0);
}

/* In order, of any size: the right bytes, ceil(s / 8 MiB) GETs, no HEAD. */
static void
test_in_order(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 100000, MIB, PART, PART + 1,
		3 * PART + 12345 };
	char name[16];

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t gets, heads;
		struct cache_file *f;

		(void)snprintf(name, sizeof(name), "f%u", i);
		fake_put(s3, name, sizes[i], i);
		gets = fake_count(s3, S3_GET_OBJECT);
		f = open_file(name);
		heads = fake_count(s3, S3_HEAD_OBJECT);
		for (uint64_t off = 0; off <= sizes[i]; off += 128 * KIB)
			check_read(f, i, sizes[i], off, 128 * KIB);
		settle();
		assert_int_equal(fake_count(s3, S3_GET_OBJECT) - gets,
		    (sizes[i] + PART - 1) / PART);
		assert_int_equal(fake_count(s3, S3_HEAD_OBJECT), heads);
		/* Again: all of it is local. */
		gets = fake_count(s3, S3_GET_OBJECT);
		for (uint64_t off = 0; off < sizes[i]; off += 1000 * KIB + 1)
			check_read(f, i, sizes[i], off, MIB);
		assert_int_equal(fake_count(s3, S3_GET_OBJECT), gets);
		close_file(f);
	}
}

static void
test_random(void **state)
{
	static const uint64_t offs[] = { 40 * MIB + 3, 7 * MIB + 200 * KIB,
		29 * MIB, 63 * MIB + 900 * KIB, 15 * MIB };
	struct cache_file *f;

	(void)state;
	fake_put(s3, "f", 64 * MIB, 9);
	f = open_file("f");
	for (size_t i = 0; i < 5; i++) {
		check_read(f, 9, 64 * MIB, offs[i], 4096);
		assert_int_equal(fake_count(s3, S3_GET_OBJECT), i + 1);
		assert_true(s3->ranges[i].len <= 128 * KIB);
	}
	check_read(f, 9, 64 * MIB, 64 * MIB - 10, 100);
	check_read(f, 9, 64 * MIB, 64 * MIB, 100);
	check_read(f, 9, 64 * MIB, 1000 * MIB, 100);
	close_file(f);
}

struct reader_thread {
	pthread_t thread;
	struct cache_file *file;
	int result;
	bool is_right;
};

static void *
reader_main(void *arg)
{
	struct reader_thread *t = arg;
	struct cache_bytes b;

	t->result = cache_file_read(t->file, 1000, 5000, NULL, &b);
	if (t->result != 0)
		return NULL;
	t->is_right = b.len == 5000;
	for (size_t i = 0; t->is_right && i < b.len; i++)
		t->is_right =
		    ((const uint8_t *)b.data)[i] == fake_byte(4, 1000 + i);
	cache_bytes_put(cache, &b);
	return NULL;
}

/* Fifty readers of one range, at two open files: one GET. */
static void
test_joined(void **state)
{
	struct reader_thread threads[50] = { 0 };
	struct cache_file *f, *g;

	(void)state;
	fake_put(s3, "f", 100000, 4);
	f = open_file("f");
	g = open_file("f");
	fake_hold(s3, S3_GET_OBJECT, true);
	for (int i = 0; i < 50; i++) {
		threads[i].file = i % 2 == 0 ? f : g;
		assert_int_equal(pthread_create(&threads[i].thread, NULL,
				     reader_main, &threads[i]),
		    0);
	}
	fake_wait_held(s3, 1);
	(void)usleep(100000);
	fake_hold(s3, S3_GET_OBJECT, false);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
		assert_int_equal(threads[i].result, 0);
		assert_true(threads[i].is_right);
	}
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 1);
	close_file(f);
	close_file(g);
}

/* The object changed: this version cannot be reached, and says so; what is
 * local of it is still read; no byte of the new one gets in. */
static void
test_changed(void **state)
{
	struct cache_file *f, *g;

	(void)state;
	fake_put(s3, "f", 32 * MIB, 1);
	f = open_file("f");
	check_read(f, 1, 32 * MIB, 20 * MIB, 4096);
	fake_put(s3, "f", 32 * MIB, 2);
	assert_int_equal(read_error(f, 10 * MIB, 4096, NULL), -ESTALE);
	check_read(f, 1, 32 * MIB, 20 * MIB, 4096);
	assert_int_equal(read_error(f, 25 * MIB, 4096, NULL), -ESTALE);
	atomic_fetch_add(&now_ms, TTL + 1);
	g = open_file("f");
	check_read(g, 2, 32 * MIB, 20 * MIB, 4096);
	check_read(f, 1, 32 * MIB, 20 * MIB, 4096);
	close_file(f);
	check_read(g, 2, 32 * MIB, 10 * MIB, 4096);
	close_file(g);
}

static void
test_removed(void **state)
{
	struct cache_file *f;
	uint64_t node;

	(void)state;
	fake_put(s3, "f", MIB, 1);
	f = open_file("f");
	node = node_of("f");
	fake_remove(s3, "f");
	assert_int_equal(read_error(f, 0, 10, NULL), -ESTALE);
	close_file(f);
	atomic_fetch_add(&now_ms, TTL + 1);
	assert_int_equal(
	    cache_file_open(cache, node, O_RDONLY, NULL, &f), -ESTALE);
}

/* A body that ends early: what came is kept, the rest is absent and not zeros;
 * the reader is told, and the next one asks for the rest. */
static void
test_short_body(void **state)
{
	struct cache_file *f;

	(void)state;
	fake_put(s3, "f", 2 * MIB, 1);
	f = open_file("f");
	fake_cut(s3, 300 * KIB, -EIO);
	assert_int_equal(read_error(f, 0, MIB, NULL), -EIO);
	atomic_fetch_add(&now_ms, 1000);
	check_read(f, 1, 2 * MIB, 0, MIB);
	check_read(f, 1, 2 * MIB, MIB, MIB);
	settle();
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 2);
	/* The second did not begin at 0 again. */
	assert_true(s3->ranges[1].off >= 256 * KIB);
	close_file(f);
}

static void
test_errors(void **state)
{
	static const int errs[] = { -EIO, -EACCES, -ETIMEDOUT, -ENOMEM };
	static const int told[] = { -EIO, -EACCES, -EIO, -ENOMEM };
	struct cache_file *f;

	(void)state;
	fake_put(s3, "f", MIB, 1);
	f = open_file("f");
	for (int i = 0; i < 4; i++) {
		fake_fail(s3, S3_GET_OBJECT, errs[i], 1);
		assert_int_equal(read_error(f, 0, 100, NULL), told[i]);
		atomic_fetch_add(&now_ms, 1000);
	}
	check_read(f, 1, MIB, 0, 100);
	close_file(f);
}

/* The kernel's second question after an error is answered at once. */
static void
test_errors_are_kept_for_a_second(void **state)
{
	struct cache_file *f, *other;
	uint64_t sent;

	(void)state;
	fake_put(s3, "f", 2 * MIB, 1);
	f = open_file("f");
	other = open_file("f");
	fake_fail(s3, S3_GET_OBJECT, -EACCES, 1);
	assert_int_equal(read_error(f, MIB, 128 * KIB, NULL), -EACCES);
	sent = fake_count(s3, S3_GET_OBJECT);
	assert_int_equal(read_error(f, MIB + 4096, 4096, NULL), -EACCES);
	atomic_fetch_add(&now_ms, 999);
	assert_int_equal(read_error(f, MIB, 128 * KIB, NULL), -EACCES);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), sent);
	/* Not another range, and not what another one reads. */
	check_read(f, 1, 2 * MIB, 0, 4096);
	check_read(other, 1, 2 * MIB, MIB, 4096);
	assert_true(fake_count(s3, S3_GET_OBJECT) > sent);
	close_file(other);
	/* What has come since is given, and after a second all is forgotten. */
	check_read(f, 1, 2 * MIB, MIB, 4096);
	atomic_fetch_add(&now_ms, 1);
	check_read(f, 1, 2 * MIB, MIB, 128 * KIB);
	close_file(f);
}

static void
test_open_errors(void **state)
{
	struct cache_file *f = NULL;
	uint64_t node;

	(void)state;
	fake_put(s3, "f", 10, 1);
	fake_put(s3, "d/x", 10, 1);
	node = node_of("f");
	assert_int_equal(
	    cache_file_open(cache, node, O_RDWR, NULL, &f), -EROFS);
	assert_int_equal(
	    cache_file_open(cache, node, O_WRONLY, NULL, &f), -EROFS);
	assert_int_equal(
	    cache_file_open(cache, node, O_RDONLY | O_TRUNC, NULL, &f), -EROFS);
	assert_int_equal(
	    cache_file_open(cache, node_of("d"), O_RDONLY, NULL, &f), -EISDIR);
	assert_int_equal(
	    cache_file_open(cache, 987654, O_RDONLY, NULL, &f), -ESTALE);
	assert_null(f);
	/* The object changed: the old node is no more. */
	fake_put(s3, "f", 11, 2);
	atomic_fetch_add(&now_ms, TTL + 1);
	assert_int_equal(
	    cache_file_open(cache, node, O_RDONLY, NULL, &f), -ESTALE);
	assert_null(f);
}

/* Far more than the cache holds: right bytes, and never over its size. */
static void
test_eviction(void **state)
{
	struct cache_stats stats;
	struct cache_file *f;
	char name[16];

	(void)state;
	close_cache();
	config.size = 4 * MIB;
	open_cache();
	for (unsigned i = 0; i < 6; i++) {
		(void)snprintf(name, sizeof(name), "f%u", i);
		fake_put(s3, name, 3 * MIB, i);
		f = open_file(name);
		for (uint64_t off = 0; off < 3 * MIB; off += 64 * KIB)
			check_read(f, i, 3 * MIB, off, 64 * KIB);
		close_file(f);
		settle();
		cache_get_stats(cache, &stats);
		assert_true(stats.used <= stats.size);
	}
	assert_true(stats.evicted_bytes >= 14 * MIB);
	/* A file that is open, and larger than the cache, too. */
	fake_put(s3, "large", 20 * MIB, 7);
	f = open_file("large");
	for (uint64_t off = 0; off < 20 * MIB; off += 128 * KIB) {
		check_read(f, 7, 20 * MIB, off, 128 * KIB);
		cache_get_stats(cache, &stats);
		assert_true(stats.used <= stats.size);
	}
	check_read(f, 7, 20 * MIB, 5, 100);
	close_file(f);
}

/* Interrupted: -EINTR at once, while the answer is held; another who wants
 * the same gets it. */
struct interrupted {
	pthread_t thread;
	struct waiter waiter;
	struct cache_file *file;
	int result;
};

static void *
interrupted_main(void *arg)
{
	struct interrupted *t = arg;

	t->result = read_error(t->file, 0, 100, &t->waiter);
	return NULL;
}

static void
start_interrupted(struct interrupted *t)
{
	waiter_init(&t->waiter);
	assert_int_equal(
	    pthread_create(&t->thread, NULL, interrupted_main, t), 0);
}

static void
test_interrupt(void **state)
{
	struct interrupted t[2];
	struct cache_file *f;

	(void)state;
	fake_put(s3, "f", MIB, 1);
	f = open_file("f");
	fake_hold(s3, S3_GET_OBJECT, true);
	for (int i = 0; i < 2; i++) {
		t[i].file = f;
		start_interrupted(&t[i]);
	}
	fake_wait_held(s3, 1);
	(void)usleep(20000);
	waiter_interrupt(&t[0].waiter);
	assert_int_equal(pthread_join(t[0].thread, NULL), 0);
	assert_int_equal(t[0].result, -EINTR);
	fake_hold(s3, S3_GET_OBJECT, false);
	assert_int_equal(pthread_join(t[1].thread, NULL), 0);
	assert_int_equal(t[1].result, 0);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 1);
	waiter_fini(&t[0].waiter);
	waiter_fini(&t[1].waiter);
	close_file(f);
}

/* A read that finds all room taken by others' fetches waits for them. */
static void
test_full_of_fetches(void **state)
{
	static const char *const names[] = { "f0", "f1", "f2" };
	struct interrupted t[3];

	(void)state, close_cache();
	config.size = 4 * MIB;
	open_cache();
	fake_hold(s3, S3_GET_OBJECT, true);
	for (int i = 0; i < 3; i++) {
		fake_put(s3, names[i], 3 * MIB, (unsigned)i);
		t[i].file = open_file(names[i]);
		start_interrupted(&t[i]);
		fake_wait_held(s3, 1);
	}
	(void)usleep(50000);
	waiter_interrupt(&t[2].waiter);
	(void)usleep(50000);
	fake_hold(s3, S3_GET_OBJECT, false);
	for (int i = 0; i < 3; i++) {
		(void)pthread_join(t[i].thread, NULL);
		assert_int_equal(t[i].result, i < 2 ? 0 : -EINTR);
		waiter_fini(&t[i].waiter);
		close_file(t[i].file);
	}
}

/* The last close ends what is on its way; nothing stays behind. */
static void
test_close_while_fetching(void **state)
{
	struct waiter w;
	struct cache_stats stats;
	struct cache_file *f;
	struct interrupted t;

	(void)state;
	fake_put(s3, "f", 64 * MIB, 1);
	f = open_file("f");
	fake_hold(s3, S3_GET_OBJECT, true);
	t.file = f;
	start_interrupted(&t);
	fake_wait_held(s3, 1);
	waiter_interrupt(&t.waiter);
	assert_int_equal(pthread_join(t.thread, NULL), 0);
	waiter_fini(&t.waiter);
	close_file(f);
	settle(); /* although it is held */
	waiter_init(&w);
	for (int i = 0; i < 200; i++) {
		cache_get_stats(cache, &stats);
		if (stats.in_memory == 0)
			break;
		(void)waiter_wait(&w, 5);
	}
	waiter_fini(&w);
	assert_int_equal(stats.in_memory, 0);
	assert_int_equal(stats.open_files, 0);
	assert_int_equal(atomic_load(&cache->space.reserved), 0);
	fake_hold(s3, S3_GET_OBJECT, false);
	f = open_file("f");
	check_read(f, 1, 64 * MIB, 0, 100);
	close_file(f);
}

/* What is local survives a restart, and is counted. */
static void
test_restart(void **state)
{
	struct cache_stats before, after;
	struct cache_file *f;

	(void)state;
	fake_put(s3, "f", MIB, 1);
	f = open_file("f");
	check_read(f, 1, MIB, 0, MIB);
	close_file(f);
	cache_get_stats(cache, &before);
	assert_true(before.used >= MIB);
	close_cache();
	open_cache();
	cache_get_stats(cache, &after);
	assert_true(after.used >= MIB);
	f = open_file("f");
	check_read(f, 1, MIB, 0, MIB);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 1);
	cache_get_stats(cache, &after);
	assert_int_equal(after.hit_bytes, MIB);
	close_file(f);
}

/* A flipped bit, or bytes that are gone: found, fetched anew, and counted. */
static void
test_damaged(void **state)
{
	struct cache_stats stats;
	struct cache_file *f;
	uint64_t node;
	char path[256], bad = '!';
	int fd;

	(void)state;
	fake_put(s3, "f", MIB, 1);
	f = open_file("f");
	check_read(f, 1, MIB, 0, MIB);
	node = node_of("f");
	close_file(f);
	(void)snprintf(path, sizeof(path), "%s/chunks/%02x/%u", cache->dir,
	    (unsigned)(node & 0xff), (unsigned)node);
	close_cache();
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	bad = (char)(fake_byte(1, 200000) ^ 1);
	assert_int_equal(pwrite(fd, &bad, 1, 200000), 1);
	assert_int_equal(ftruncate(fd, 900000), 0);
	assert_int_equal(close(fd), 0);
	open_cache();
	f = open_file("f");
	check_read(f, 1, MIB, 0, MIB);
	cache_get_stats(cache, &stats);
	assert_int_equal(stats.bad_blocks, 1);
	/* What is used is counted right: after a fall and a rise as before. */
	assert_in_range(atomic_load(&cache->space.present), MIB, MIB);
	close_file(f);
}

#define TF(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down_files)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TF(test_in_order),
		TF(test_random),
		TF(test_joined),
		TF(test_changed),
		TF(test_removed),
		TF(test_short_body),
		TF(test_errors),
		TF(test_errors_are_kept_for_a_second),
		TF(test_open_errors),
		TF(test_eviction),
		TF(test_interrupt),
		TF(test_close_while_fetching),
		TF(test_full_of_fetches),
		TF(test_restart),
		TF(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
