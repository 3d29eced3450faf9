/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_engine_replaced.c - a GET that finds an object which we replaced.
 *
 * Role:    unit test of cache/fetch.c: its answer comes before that of our own
 *          request, and is looked at after it.
 */
#include "tests/unit/cache_folder.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "cache/core.h"
#include "cache/entry.h"
#include "cache/fetch_body.h"
#include "cache/worker.h"
#include "s3/base/text.h"

#define ROOT CACHE_ROOT
#define SIZE (3 * MIB)

/* What holds up the worker, on which a fetch ends. */
static struct {
	struct job job;
	sem_t go;
} hold;

static void
run_hold(struct job *job)
{
	(void)job;
	(void)sem_wait(&hold.go);
}

struct reading {
	struct cache_file *file;
	int r;
	uint8_t first;
};

static void *
run_read(void *arg)
{
	struct reading *it = arg;
	struct cache_bytes bytes = { 0 };

	it->r = cache_file_read(it->file, MIB, 4096, NULL, &bytes);
	if (it->r == 0) {
		it->first = *(const uint8_t *)bytes.data;
		cache_bytes_put(cache, &bytes);
	}
	return NULL;
}

/* The answer of the one fetch of ${e} has come. */
static void
wait_answered(struct entry *e)
{
	bool is_sent = true;

	while (is_sent) {
		lock_take(&e->lock);
		is_sent =
		    LIST_ENTRY(e->fetches.next, struct fetch, link)->is_sent;
		lock_drop(&e->lock);
		(void)sched_yield();
	}
}

/* A 412 for the old version; the answer to our own request is taken, all of it,
 * before the fetch ends. */
static void
test_replaced_by_us(void **state)
{
	struct reading it = { 0 };
	struct cache_attr attr;
	struct entry *e;
	pthread_t reader;
	char *etag;

	(void)state;
	fake_put(s3, "f", SIZE, 1);
	assert_int_equal(cache_lookup(cache, ROOT, "f", NULL, &attr), 0);
	assert_int_equal(
	    cache_file_open(cache, attr.node, O_RDONLY, NULL, &it.file), 0);
	e = entry_find(cache, attr.node);
	assert_non_null(e);
	assert_int_equal(sem_init(&hold.go, 0, 0), 0);
	hold.job.run = run_hold;
	worker_post(cache->worker, &hold.job);
	fake_hold(s3, S3_GET_OBJECT, true);
	assert_int_equal(pthread_create(&reader, NULL, run_read, &it), 0);
	fake_wait_held(s3, 1);
	fake_put(s3, "f", SIZE, 2);
	etag = fake_etag(s3, "f");
	fake_hold(s3, S3_GET_OBJECT, false);
	wait_answered(e);
	lock_take(&e->lock);
	text_set(&e->etag, etag);
	lock_drop(&e->lock);
	(void)sem_post(&hold.go);
	assert_int_equal(pthread_join(reader, NULL), 0);
	entry_put(e);
	cache_file_close(it.file);
	assert_int_equal(it.r, 0);
	assert_int_equal(it.first, fake_byte(2, MIB));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { T(test_replaced_by_us) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
