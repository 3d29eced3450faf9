/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_drain.c - the end of a mount while S3 is away: each file is tried once,
 * and an interrupt ends it; what is not in S3 stays for the next mount.
 *
 * Role:    unit test of cache/drain.c.
 */
#include "tests/unit/cache_names.h"

#include <limits.h>
#include <unistd.h>

#include "cache/admin.h"
#include "s3/base/wait.h"

#define COUNT   60 /* files: more than the pool has threads */
#define THREADS 32
#define END_S   60

/* Make COUNT files, whose close is interrupted. */
static void
make_files(void)
{
	struct waiter w;
	char name[16];

	waiter_init(&w);
	waiter_interrupt(&w);
	for (int i = 0; i < COUNT; i++) {
		struct cache_file *f;

		(void)snprintf(name, sizeof(name), "f%d", i);
		f = create(ROOT, name, "text");
		assert_int_equal(cache_file_flush(f, &w), -EINTR);
		cache_file_close(f);
	}
	waiter_fini(&w);
}

/* All of them are in S3, and nothing else. */
static void
assert_all(void)
{
	uint64_t left = 0;
	char name[16];

	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
	for (int i = 0; i < COUNT; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		assert_object(name, "text");
	}
	assert_int_equal(fake_objects(s3, ""), COUNT);
}

static void
test_each_is_tried_once(void **state)
{
	uint64_t left = 0;
	char name[16];

	(void)state;
	close_cache();
	config.sync = CACHE_SYNC_FSYNC;
	open_cache();
	for (int i = 0; i < COUNT; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		create_text(ROOT, name, "text");
	}
	fake_count_reset(s3);
	fake_fail(s3, S3_PUT_OBJECT, -EIO, UINT_MAX);
	assert_int_equal(cache_drain(cache, NULL, &left), -EIO);
	assert_int_equal(left, COUNT);
	assert_int_equal(fake_count(s3, S3_PUT_OBJECT), COUNT);
	fake_fail(s3, S3_PUT_OBJECT, 0, 0);
	assert_all();
}

static void *
run_drain(void *arg)
{
	uint64_t left = 0;

	assert_int_equal(cache_drain(cache, arg, &left), -EINTR);
	return NULL;
}

static void *
run_close(void *arg)
{
	cache_close(arg);
	return NULL;
}

static void
test_an_interrupt_ends_it(void **state)
{
	struct cache *ending = cache;
	pthread_t thread;
	struct waiter w;

	(void)state;
	(void)alarm(END_S);
	fake_hold(s3, S3_PUT_OBJECT, true);
	make_files();
	waiter_init(&w);
	assert_int_equal(pthread_create(&thread, NULL, run_drain, &w), 0);
	waiter_interrupt(&w);
	assert_int_equal(pthread_join(thread, NULL), 0);
	waiter_fini(&w);
	assert_int_equal(pthread_create(&thread, NULL, run_close, ending), 0);
	while (!ending->is_closing) /* it waits for what is held */
		(void)usleep(1000);
	fake_fail(s3, S3_PUT_OBJECT, -EIO, UINT_MAX);
	fake_hold(s3, S3_PUT_OBJECT, false);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(fake_count(s3, S3_PUT_OBJECT) <= THREADS);
	assert_int_equal(fake_objects(s3, ""), 0);
	fake_fail(s3, S3_PUT_OBJECT, 0, 0);
	open_cache();
	assert_all();
	(void)alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_each_is_tried_once),
		T(test_an_interrupt_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
