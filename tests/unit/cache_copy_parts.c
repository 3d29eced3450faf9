/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_copy_parts.c - copies of objects too large for one call: parts,
 * conditions, failures half-way.
 *
 * Role:    unit test of cache/copy.c.
 */
#include "tests/unit/copy_folder.h"

#define GIB  ((uint64_t)1 << 30)
#define HUGE (6 * GIB + 1)

static void
make_huge(void)
{
	fake_put(s3, "a", HUGE, 5);
	fake_meta(s3, "a", "pailfs-token", "source-token");
	free(etag);
	etag = fake_etag(s3, "a");
	copy.size = HUGE;
	replace();
}

static void
test_huge(void **state)
{
	char *type;

	(void)state;
	make_huge();
	copy.source_etag = etag;
	copy.if_absent = true;
	s3->most_in_flight = 0;
	assert_int_equal(run(), 0);
	assert_copied(5);
	assert_non_null(strchr(result.etag, '-'));
	assert_meta("b", "pailfs-token", "our-token");
	type = fake_type_of(s3, "b");
	assert_string_equal(type, "text/x-own");
	free(type);
	assert_int_equal(fake_uploads(s3), 0);
	assert_true(s3->most_in_flight <= 16);
	assert_int_equal(fake_count(s3, S3_COPY_OBJECT), 0);
	assert_int_equal(fake_count(s3, S3_UPLOAD_PART_COPY), 25);
	assert_int_equal(fake_count_all(s3), 27);
}

/* The limits: the largest copy in one call, and the largest object there is. */
static void
test_limits(void **state)
{
	(void)state;
	make_huge();
	copy.size = S3_COPY_MAX;
	fake_put(s3, "a", copy.size, 5);
	assert_int_equal(run(), 0);
	assert_int_equal(fake_count_all(s3), 1);
	copy.size = S3_COPY_MAX + 1;
	fake_put(s3, "a", copy.size, 5);
	assert_int_equal(run(), 0);
	assert_copied(5);
	copy.size = S3_OBJECT_MAX;
	fake_put(s3, "a", copy.size, 5);
	fake_count_reset(s3);
	assert_int_equal(run(), 0);
	assert_copied(5);
	assert_true(fake_count(s3, S3_UPLOAD_PART_COPY) <= S3_PARTS_MAX);
}

static void
test_huge_conditions(void **state)
{
	(void)state;
	make_huge();
	fake_put(s3, "b", 7, 2);
	copy.source_etag = etag;
	copy.if_match = "\"x\"";
	assert_int_equal(run(), -ESTALE);
	assert_false(result.is_source);
	copy.if_match = NULL;
	copy.source_etag = "\"x\"";
	assert_int_equal(run(), -ESTALE);
	assert_true(result.is_source);
	fake_remove(s3, "b");
	copy.source_etag = etag;
	copy.if_match = "\"x\"";
	assert_int_equal(run(), -ESTALE); /* 404 of what is not there */
	assert_false(result.is_source);
	assert_int_equal(fake_uploads(s3), 0);
	assert_false(fake_has(s3, "b"));
	ignore(S3_COMPLETE_MULTIPART_UPLOAD, FAKE_ABSENT);
	fake_put(s3, "b", 7, 2);
	copy.if_match = NULL;
	copy.if_absent = true;
	assert_int_equal(run(), -ESTALE);
	assert_int_equal(fake_count(s3, S3_CREATE_MULTIPART_UPLOAD), 0);
}

/* A failure anywhere leaves no parts behind. */
static void
test_huge_fails(void **state)
{
	static const enum s3_kind calls[] = { S3_CREATE_MULTIPART_UPLOAD,
		S3_UPLOAD_PART_COPY, S3_COMPLETE_MULTIPART_UPLOAD };

	(void)state;
	make_huge();
	for (int i = 0; i < 3; i++) {
		fake_count_reset(s3);
		fake_fail(s3, calls[i], -EDQUOT, 1);
		assert_int_equal(run(), -EDQUOT);
		assert_false(result.unsure);
		assert_int_equal(fake_uploads(s3), 0);
		assert_false(fake_has(s3, "b"));
		assert_int_equal(
		    fake_count(s3, S3_ABORT_MULTIPART_UPLOAD), i > 0);
	}
	copy.source_key = "none";
	assert_int_equal(run(), -ENOENT);
	assert_int_equal(fake_uploads(s3), 0);
}

static void
test_huge_lost(void **state)
{
	(void)state;
	make_huge();
	copy.if_absent = true;
	fake_lose(s3, S3_COMPLETE_MULTIPART_UPLOAD, 1);
	assert_int_equal(run(), 0);
	assert_copied(5);
	fake_remove(s3, "b");
	/* Tried again, the upload is unknown. */
	fake_repeat(s3, S3_COMPLETE_MULTIPART_UPLOAD, 1);
	assert_int_equal(run(), 0);
	assert_copied(5);
	assert_int_equal(result.attempts, 2);
	/* A part's loss is nothing but a failure. */
	fake_remove(s3, "b");
	fake_lose(s3, S3_UPLOAD_PART_COPY, 1);
	assert_int_equal(run(), -EIO);
	assert_false(result.unsure);
	assert_false(fake_has(s3, "b"));
	assert_int_equal(fake_uploads(s3), 0);
}

/* Somebody sweeps the upload away just before it is complete. */
static void
sweep(struct s3 *server, const struct s3_call *call)
{
	struct fake_upload *u;

	if (call->kind != S3_COMPLETE_MULTIPART_UPLOAD)
		return;
	pthread_mutex_lock(&server->mutex);
	u = fake_upload(&server->bucket, call, true);
	pthread_mutex_unlock(&server->mutex);
	assert_non_null(u);
	fake_upload_free(u);
}

/* That is no condition that did not hold, nor a source that is gone. */
static void
test_huge_swept(void **state)
{
	char *old;

	(void)state;
	make_huge();
	fake_put(s3, "b", 7, 2);
	old = fake_etag(s3, "b");
	copy.if_match = old;
	fake_before(s3, sweep);
	assert_int_equal(run(), -EIO);
	assert_false(result.is_source);
	copy.if_match = NULL;
	assert_int_equal(run(), -EIO);
	assert_int_equal(fake_size(s3, "b"), 7);
	fake_before(s3, NULL);
	free(old);
}

static struct waiter interrupted;

static void *
interrupt_soon(void *arg)
{
	(void)arg;
	fake_wait_held(s3, 16);
	waiter_interrupt(&interrupted);
	return NULL;
}

/* With all parts on their way: they are cancelled, and it ends. */
static void
test_huge_interrupted(void **state)
{
	pthread_t thread;

	(void)state;
	make_huge();
	waiter_init(&interrupted);
	fake_hold(s3, S3_UPLOAD_PART_COPY, true);
	assert_int_equal(
	    pthread_create(&thread, NULL, interrupt_soon, NULL), 0);
	assert_int_equal(copy_run(cache, &copy, &interrupted, &result), -EINTR);
	assert_int_equal(pthread_join(thread, NULL), 0);
	waiter_fini(&interrupted);
	assert_int_equal(fake_uploads(s3), 0);
	assert_false(fake_has(s3, "b"));
	assert_int_equal(fake_count(s3, S3_UPLOAD_PART_COPY), 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_huge),
		T(test_limits),
		T(test_huge_conditions),
		T(test_huge_fails),
		T(test_huge_lost),
		T(test_huge_swept),
		T(test_huge_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
