/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_zero.c - the object of zeros: made once, proved, or done without.
 *
 * Role:    unit test of cache/zero.c.
 */
#include "tests/unit/cache_folder.h"

#include <pthread.h>

#include "cache/core.h"
#include "cache/zero.h"
#include "s3/base/cleanup.h"
#include "s3/base/crc.h"

#define KEY     ".pailfs/zero/16777216"
#define THREADS 4

static int
get(uint64_t bytes)
{
	char *etag = NULL;
	int r = zero_get(cache, bytes, &etag);

	if (r == 0)
		assert_non_null(etag);
	else
		assert_null(etag);
	free(etag);
	return r;
}

static void
test_crc(void **state)
{
	static const size_t lens[] = { 0, 1, 2, 3, 4095, 4096, 100001, 131072 };
	static const uint8_t zeros[131072];

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		assert_int_equal(zero_crc(lens[i]), crc32c(0, zeros, lens[i]));
	assert_int_equal(zero_crc(ZERO_SIZE), 0xa3ab8542);
}

static void
test_made_once(void **state)
{
	(void)state;
	assert_int_equal(zero_size(cache), ZERO_SIZE);
	assert_string_equal(zero_key(cache), KEY);
	assert_int_equal(get(ZERO_SIZE - 1), -ENOENT);
	assert_int_equal(fake_count_all(s3), 0);
	assert_int_equal(get(ZERO_SIZE), 0);
	assert_int_equal(fake_size(s3, KEY), ZERO_SIZE);
	assert_int_equal(fake_count(s3, S3_PUT_OBJECT), 1);
	fake_count_reset(s3);
	assert_int_equal(get(1), 0);
	assert_int_equal(get(ZERO_SIZE), 0);
	assert_int_equal(fake_count_all(s3), 0);
	/* The next mount only looks; its ETag is no MD5 here, so it reads. */
	close_cache();
	open_cache();
	fake_count_reset(s3);
	assert_int_equal(get(ZERO_SIZE), 0);
	assert_int_equal(fake_count(s3, S3_HEAD_OBJECT), 1);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 1);
	assert_int_equal(fake_count_all(s3), 2);
}

static void
test_gone(void **state)
{
	AUTO_FREE char *etag = NULL;

	(void)state;
	assert_int_equal(get(ZERO_SIZE), 0);
	etag = fake_etag(s3, KEY);
	fake_remove(s3, KEY);
	zero_forget(cache, "\"another\"");
	fake_count_reset(s3);
	assert_int_equal(get(ZERO_SIZE), 0);
	assert_int_equal(fake_count_all(s3), 0);
	zero_forget(cache, etag);
	assert_int_equal(get(ZERO_SIZE), 0);
	assert_int_equal(fake_size(s3, KEY), ZERO_SIZE);
}

static void
test_not_zeros(void **state)
{
	AUTO_FREE char *etag = NULL;
	AUTO_FREE char *after = NULL;

	(void)state;
	fake_put(s3, KEY, ZERO_SIZE, 1);
	etag = fake_etag(s3, KEY);
	assert_int_equal(get(ZERO_SIZE), -EBADMSG);
	assert_int_equal(zero_size(cache), 0);
	assert_int_equal(get(ZERO_SIZE), -EOPNOTSUPP);
	after = fake_etag(s3, KEY);
	assert_string_equal(after, etag);
	close_cache();
	open_cache();
	fake_put(s3, KEY, 5, 1);
	assert_int_equal(get(ZERO_SIZE), -EBADMSG);
	assert_int_equal(zero_size(cache), 0);
}

static void
test_failures(void **state)
{
	static const enum s3_kind kinds[] = { S3_HEAD_OBJECT, S3_PUT_OBJECT,
		S3_GET_OBJECT };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		/* No answer: it is tried again the next time. */
		fake_fail(s3, kinds[i], -EIO, 1);
		assert_int_equal(get(ZERO_SIZE), -EIO);
		assert_int_equal(zero_size(cache), ZERO_SIZE);
		assert_int_equal(get(ZERO_SIZE), 0);
		close_cache();
		open_cache();
		fake_remove(s3, KEY);
	}
	fake_lose(s3, S3_PUT_OBJECT, 1);
	assert_int_equal(get(ZERO_SIZE), -EIO);
	assert_int_equal(get(ZERO_SIZE), 0);
}

static void
test_refused(void **state)
{
	static const enum s3_kind kinds[] = { S3_HEAD_OBJECT, S3_PUT_OBJECT };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		fake_fail(s3, kinds[i], -EACCES, 1);
		assert_int_equal(get(ZERO_SIZE), -EACCES);
		assert_int_equal(zero_size(cache), 0);
		assert_int_equal(get(ZERO_SIZE), -EOPNOTSUPP);
		close_cache();
		open_cache();
	}
}

static void *
get_main(void *arg)
{
	(void)arg;
	assert_int_equal(get(ZERO_SIZE), 0);
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, get_main, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(fake_count(s3, S3_PUT_OBJECT), 1);
}

/* Another mount makes it between our look and our PUT. */
static void
make_before_put(struct s3 *server, const struct s3_call *call)
{
	static bool is_made;

	if (call->kind != S3_PUT_OBJECT || is_made)
		return;
	is_made = true;
	fake_put(server, KEY, 5, 1); /* to be seen by us */
}

static void
test_race(void **state)
{
	(void)state;
	fake_before(s3, make_before_put);
	assert_int_equal(get(ZERO_SIZE), -EBADMSG);
	fake_before(s3, NULL);
	assert_int_equal(fake_size(s3, KEY), 5);
}

/* A prefix that leaves no room for the name. */
static void
test_long_prefix(void **state)
{
	static char prefix[1020];

	(void)state;
	close_cache();
	memset(prefix, 'p', sizeof(prefix) - 2);
	for (size_t i = 100; i < sizeof(prefix) - 2; i += 100)
		prefix[i] = '/';
	prefix[sizeof(prefix) - 2] = '/';
	config.prefix = prefix;
	open_cache();
	assert_int_equal(zero_size(cache), 0);
	close_cache();
	config.prefix = "";
	open_cache();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_crc),
		T(test_made_once),
		T(test_gone),
		T(test_not_zeros),
		T(test_failures),
		T(test_refused),
		T(test_threads),
		T(test_race),
		T(test_long_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
