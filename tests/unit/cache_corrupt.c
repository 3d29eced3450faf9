/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_corrupt.c - the whole layer, over an S3 in memory whose answers have
 * a wrong bit.
 *
 * Role:    test of what cache/fetch.h promises: which GETs are of a whole
 *          object, and what becomes of one that its checksum does not match.
 */
#include "tests/unit/cache_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/fetch_body.h"

#define HELD FETCH_HELD_MAX

static uint64_t node;
static struct cache_file *file;

static void
open_file(const char *name)
{
	struct cache_attr attr;

	assert_int_equal(cache_lookup(cache, CACHE_ROOT, name, NULL, &attr), 0);
	node = attr.node;
	assert_int_equal(
	    cache_file_open(cache, node, O_RDONLY, NULL, &file), 0);
}

static void
close_file(void)
{
	cache_file_close(file);
	file = NULL;
}

static int
tear_down_file(void **state)
{
	fake_hold_end(s3, false);
	if (file != NULL)
		close_file();
	return tear_down(state);
}

/* Read; returns how many bytes are wrong, or -errno. */
static int
count_wrong(uint64_t off, size_t len, struct waiter *w)
{
	struct cache_bytes b;
	int wrong = 0, r;

	r = cache_file_read(file, off, len, w, &b);
	if (r < 0)
		return r;
	for (size_t i = 0; i < b.len; i++)
		wrong += ((const uint8_t *)b.data)[i] != fake_byte(1, off + i);
	cache_bytes_put(cache, &b);
	return wrong;
}

static void
check_all(uint64_t size)
{
	for (uint64_t off = 0; off < size; off += 128 * KIB)
		assert_int_equal(count_wrong(off, 128 * KIB, NULL), 0);
}

/* Until nothing is on its way, and what it left was dealt with. */
static void
settle(uint64_t gets)
{
	struct s3_stats stats = { .in_flight = 1 };

	while (stats.in_flight > 0 || fake_count(s3, S3_GET_OBJECT) < gets ||
	       atomic_load(&cache->space.reserved) > 0) {
		(void)usleep(2000);
		s3_get_stats(s3, &stats);
	}
}

/* A small object is asked for as a whole, wherever it is read; a larger one
 * only where it is one piece. */
static void
test_what_is_whole(void **state)
{
	static const struct {
		uint64_t size;
		uint64_t off;
		bool is_whole;
	} cases[] = { { 1, 0, true }, { HELD, 0, true },
		{ HELD, 700 * KIB, true }, { HELD + 1, 0, true },
		{ HELD + 1, 700 * KIB, false }, { 8 * MIB, 0, true },
		{ 8 * MIB + 1, 0, false } };
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f%zu", i);
		fake_put(s3, name, cases[i].size, 1);
		n = fake_count(s3, S3_GET_OBJECT);
		open_file(name);
		assert_int_equal(count_wrong(cases[i].off, 1000, NULL), 0);
		settle(n + 1);
		assert_int_equal(s3->ranges[n].len == 0, cases[i].is_whole);
		if (cases[i].is_whole)
			assert_int_equal(s3->ranges[n].off, 0);
		check_all(cases[i].size);
		if (cases[i].is_whole)
			assert_int_equal(fake_count(s3, S3_GET_OBJECT), n + 1);
		close_file();
	}
}

struct reading {
	pthread_t thread;
	struct waiter waiter;
	atomic_bool is_over;
	int result;
};

static void *
reader_main(void *arg)
{
	struct reading *t = arg;

	t->result = count_wrong(0, 1000, &t->waiter);
	atomic_store(&t->is_over, true);
	return NULL;
}

static void
start_reader(struct reading *t)
{
	waiter_init(&t->waiter);
	atomic_init(&t->is_over, false);
	assert_int_equal(pthread_create(&t->thread, NULL, reader_main, t), 0);
}

static int
join_reader(struct reading *t)
{
	assert_int_equal(pthread_join(t->thread, NULL), 0);
	waiter_fini(&t->waiter);
	return t->result;
}

/* Nobody sees a byte of a small object before all of it was checked, and
 * nobody sees a wrong one. */
static void
test_a_small_one_is_held_back(void **state)
{
	struct reading t;

	(void)state;
	fake_put(s3, "f", HELD - 5, 1);
	open_file("f");
	fake_flip(s3, 1);
	fake_hold_end(s3, true);
	start_reader(&t);
	fake_wait_end(s3);
	(void)usleep(50000);
	assert_false(atomic_load(&t.is_over));
	assert_int_equal(atomic_load(&cache->space.present), 0);
	fake_hold_end(s3, false);
	assert_int_equal(join_reader(&t), 0);
	settle(2);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 2);
	assert_int_equal(atomic_load(&cache->space.present), HELD - 5);
	check_all(HELD - 5);
	/* The CRCs of its blocks were right, too. */
	close_file();
	close_cache();
	open_cache();
	open_file("f");
	check_all(HELD - 5);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 2);
	assert_int_equal(atomic_load(&changes), 0);
}

/* A larger one is read as it comes; what was wrong is found in the end, taken
 * back, also from the kernel, and is right from then on. */
static void
test_a_larger_one_is_taken_back(void **state)
{
	struct reading t;

	(void)state;
	fake_put(s3, "f", 3 * MIB, 1);
	open_file("f");
	fake_flip(s3, 1);
	fake_hold_end(s3, true);
	start_reader(&t);
	(void)join_reader(&t); /* it does not wait for the end */
	assert_true(atomic_load(&cache->space.present) > 0);
	fake_hold_end(s3, false);
	settle(2);
	assert_int_equal(atomic_load(&changes), 1);
	check_all(3 * MIB);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 2);
	assert_int_equal(atomic_load(&cache->space.present), 3 * MIB);
}

static uint64_t
room_of_file(void)
{
	char path[200];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/chunks/%02x/%llu", cache->dir,
	    (unsigned)(node & 0xff), (unsigned long long)node);
	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* Wrong each time: an error, after a few tries, and nothing stays of it. */
static void
test_wrong_for_good(void **state)
{
	static const uint64_t sizes[] = { HELD, HELD + 1 };
	struct cache_stats stats;
	uint64_t n, local = 0;
	int r;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f%zu", i);
		fake_put(s3, name, sizes[i], 1);
		n = fake_count(s3, S3_GET_OBJECT);
		fake_flip(s3, FETCH_TRIES);
		open_file(name);
		r = count_wrong(0, 1000, NULL);
		/* A larger one may have been read before the end. */
		assert_true(r == -EIO || (i == 1 && r == 1));
		settle(n + FETCH_TRIES);
		assert_int_equal(
		    fake_count(s3, S3_GET_OBJECT), n + FETCH_TRIES);
		/* A larger one is there until the worker has heard of it. */
		for (int ms = 0;
		     ms < 5000 && atomic_load(&cache->space.present) != local;
		     ms++)
			(void)usleep(1000);
		assert_int_equal(atomic_load(&cache->space.present), local);
		close_file();
		do {
			(void)usleep(2000);
			cache_get_stats(cache, &stats);
		} while (stats.in_memory > 0);
		/* But for what shares a page with the end. */
		assert_in_range(room_of_file(), 0, 4096);
		/* The server was mended. */
		open_file(name);
		check_all(sizes[i]);
		close_file();
		settle(0);
		local += sizes[i];
	}
}

/* The version that was asked for, of another size than it has: no reason to
 * give it up. */
static void
test_a_body_of_another_size(void **state)
{
	static const uint64_t lies[] = { 0, 99999, 100001 };
	struct reading t;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		fake_put(s3, "f", 100000, 1);
		atomic_fetch_add(&now_ms, TTL + 1);
		open_file("f");
		fake_resize(s3, "f", lies[i]);
		fake_hold_end(s3, true);
		start_reader(&t);
		fake_wait_end(s3);
		fake_resize(s3, "f", 100000);
		fake_hold_end(s3, false);
		assert_int_equal(join_reader(&t), 0);
		check_all(100000);
		close_file();
		assert_int_equal(fake_count(s3, S3_GET_OBJECT), 2 * (i + 1));
	}
}

/* Who closes the file ends the GET; a new one does not meet its bytes. */
static void
test_cancelled_at_the_end(void **state)
{
	struct reading t;

	(void)state;
	fake_put(s3, "f", 100000, 1);
	open_file("f");
	fake_flip(s3, 1);
	fake_hold_end(s3, true);
	start_reader(&t);
	fake_wait_end(s3);
	waiter_interrupt(&t.waiter);
	assert_int_equal(join_reader(&t), -EINTR);
	close_file();
	fake_hold_end(s3, false);
	settle(1);
	assert_int_equal(atomic_load(&cache->space.present), 0);
	open_file("f");
	check_all(100000);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 2);
}

#define TF(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down_file)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TF(test_what_is_whole),
		TF(test_a_small_one_is_held_back),
		TF(test_a_larger_one_is_taken_back),
		TF(test_wrong_for_good),
		TF(test_a_body_of_another_size),
		TF(test_cancelled_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
