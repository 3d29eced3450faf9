/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_copy.c - copies in one call: conditions that the server honours or
 * not, answers that are lost.
 *
 * Role:    unit test of cache/copy.c.
 */
#include "tests/unit/copy_folder.h"

static void
test_plain(void **state)
{
	(void)state;
	assert_int_equal(run(), 0);
	assert_copied(1);
	assert_meta("b", "pailfs-token", "source-token");
	assert_meta("b", "project", "x");
	assert_int_equal(fake_count_all(s3), 1);
	assert_int_equal(result.attempts, 1);
	assert_int_equal(result.sent_ms, cache_now_ms(cache));
}

/* A chmod: onto itself, with other metadata, if it still is that object. */
static void
test_onto_itself(void **state)
{
	char *type;

	(void)state;
	replace();
	copy.key = "a";
	copy.source_etag = etag;
	copy.if_match = etag;
	assert_int_equal(run(), 0);
	assert_meta("a", "pailfs-token", "our-token");
	assert_meta("a", "mode", "33188");
	assert_meta("a", "project", NULL);
	type = fake_type_of(s3, "a");
	assert_string_equal(type, "text/x-own");
	free(type);
	assert_int_equal(fake_count_all(s3), 1);
}

/* All conditions at once and they hold: one request. */
static void
test_conditions_hold(void **state)
{
	char *old;

	(void)state;
	copy.source_etag = etag;
	copy.if_absent = true;
	assert_int_equal(run(), 0);
	assert_copied(1);
	fake_put(s3, "b", 7, 2);
	old = fake_etag(s3, "b");
	copy.if_absent = false;
	copy.if_match = old;
	assert_int_equal(run(), 0);
	assert_copied(1);
	assert_int_equal(fake_count_all(s3), 2);
	free(old);
}

/* Which condition it was is looked up only where there are two. */
static void
test_conditions_fail(void **state)
{
	(void)state;
	fake_put(s3, "b", 7, 2);
	copy.if_match = "\"x\"";
	assert_int_equal(run(), -ESTALE);
	assert_false(result.is_source);
	copy.if_match = NULL;
	copy.if_absent = true;
	assert_int_equal(run(), -ESTALE);
	assert_false(result.is_source);
	copy.if_absent = false;
	copy.source_etag = "\"x\"";
	assert_int_equal(run(), -ESTALE);
	assert_true(result.is_source);
	assert_int_equal(fake_count_all(s3), 3);
	copy.if_absent = true;
	assert_int_equal(run(), -ESTALE); /* both, indeed */
	assert_true(result.is_source);
	copy.source_etag = etag;
	assert_int_equal(run(), -ESTALE);
	assert_false(result.is_source);
	assert_int_equal(fake_count(s3, S3_HEAD_OBJECT), 2);
	assert_int_equal(fake_size(s3, "b"), 7);
	assert_false(result.unsure);
}

/* 404 of a copy: the source is not there, or what If-Match is about. */
static void
test_not_there(void **state)
{
	(void)state;
	copy.source_key = "none";
	assert_int_equal(run(), -ENOENT);
	assert_non_null(strstr(result.message, "'none'"));
	copy.if_match = etag;
	assert_int_equal(run(), -ENOENT);
	assert_true(result.is_source);
	copy.source_key = "a";
	assert_int_equal(run(), -ESTALE);
	assert_false(result.is_source);
	copy.source_etag = "\"x\"";
	assert_int_equal(run(), -ESTALE);
	assert_true(result.is_source);
	assert_false(fake_has(s3, "b"));
}

/* A server without conditions: a HEAD before finds it out. */
static void
test_ignored(void **state)
{
	(void)state;
	ignore(S3_COPY_OBJECT, FAKE_MATCH | FAKE_ABSENT | FAKE_SOURCE);
	fake_put(s3, "b", 7, 2);
	copy.if_absent = true;
	assert_int_equal(run(), -ESTALE);
	assert_false(result.is_source);
	copy.if_absent = false;
	copy.if_match = "\"x\"";
	assert_int_equal(run(), -ESTALE);
	assert_false(result.is_source);
	copy.source_etag = "\"x\"";
	assert_int_equal(run(), -ESTALE);
	assert_true(result.is_source);
	assert_non_null(strstr(result.message, "'a' was changed"));
	assert_int_equal(fake_count(s3, S3_COPY_OBJECT), 0);
	assert_int_equal(fake_size(s3, "b"), 7);
	fake_remove(s3, "b");
	copy.if_match = NULL;
	copy.if_absent = true;
	copy.source_etag = etag;
	fake_count_reset(s3);
	assert_int_equal(run(), 0);
	assert_copied(1);
	assert_int_equal(fake_count_all(s3), 3); /* HEAD, HEAD, COPY */
}

/* ---- lost answers ---- */

static void
test_lost(void **state)
{
	(void)state;
	fake_lose(s3, S3_COPY_OBJECT, 1);
	copy.source_etag = etag;
	assert_int_equal(run(), 0); /* by the source's token */
	assert_copied(1);
	replace();
	fake_lose(s3, S3_COPY_OBJECT, 1);
	assert_int_equal(run(), 0); /* by ours */
	assert_copied(1);
	assert_int_equal(fake_count(s3, S3_COPY_OBJECT), 2);
}

/* Objects of others have no token: their ETag tells. */
static void
test_lost_foreign(void **state)
{
	(void)state;
	fake_put(s3, "a", 1000, 3);
	fake_lose(s3, S3_COPY_OBJECT, 1);
	assert_int_equal(run(), 0);
	assert_copied(3);
}

/* Tried again after a loss: 412 by our own success. */
static void
test_repeated(void **state)
{
	char *old;

	(void)state;
	copy.if_absent = true;
	copy.source_etag = etag;
	fake_repeat(s3, S3_COPY_OBJECT, 1);
	assert_int_equal(run(), 0);
	assert_copied(1);
	assert_int_equal(result.attempts, 2);
	fake_put(s3, "b", 7, 2);
	old = fake_etag(s3, "b");
	replace();
	copy.if_absent = false;
	copy.if_match = old;
	fake_repeat(s3, S3_COPY_OBJECT, 1);
	assert_int_equal(run(), 0);
	assert_copied(1);
	assert_meta("b", "pailfs-token", "our-token");
	free(old);
}

static unsigned other_size;

/* Somebody else was faster, or came after. */
static void
overwrite(struct s3 *server, const struct s3_call *call)
{
	if (call->kind == S3_HEAD_OBJECT && strcmp(call->key, "b") == 0) {
		fake_put(server, "b", other_size, 2);
		fake_meta(server, "b", "pailfs-token",
		    other_size == 1000 ? "their-token" : "our-token");
		fake_meta(server, "b", "mode", "33188");
	}
}

static void
test_lost_to_others(void **state)
{
	(void)state;
	replace();
	for (other_size = 999; other_size <= 1000; other_size++) {
		fake_lose(s3, S3_COPY_OBJECT, 1);
		fake_before(s3, overwrite);
		assert_int_equal(run(), -EIO);
		assert_false(result.unsure);
		assert_null(result.etag);
		copy.if_absent = true;
		fake_before(s3, NULL);
		fake_remove(s3, "b");
		fake_repeat(s3, S3_COPY_OBJECT, 1);
		fake_before(s3, overwrite);
		assert_int_equal(run(), -ESTALE);
		assert_false(result.unsure);
		assert_false(result.is_source);
		copy.if_absent = false;
		fake_before(s3, NULL);
	}
}

/* Likewise where the metadata is to be the source's. */
static void
test_lost_to_others_plain(void **state)
{
	(void)state;
	other_size = 1000;
	fake_lose(s3, S3_COPY_OBJECT, 1);
	fake_before(s3, overwrite);
	assert_int_equal(run(), -EIO);
	assert_false(result.unsure);
}

/* A chmod that was lost before it had an effect: the same token is there, but
 * not what was set. */
static void
test_lost_without_effect(void **state)
{
	static char token[] = "source-token", mode[] = "33152";

	(void)state;
	replace();
	token_meta[0].value = token;
	token_meta[1].value = mode;
	copy.key = "a";
	copy.if_match = "\"x\"";
	fake_repeat(s3, S3_COPY_OBJECT, 1); /* both are refused */
	assert_int_equal(run(), -ESTALE);
	assert_false(result.unsure);
	assert_int_equal(fake_count(s3, S3_HEAD_OBJECT), 1);
}

static void
test_unsettled(void **state)
{
	(void)state;
	fake_lose(s3, S3_COPY_OBJECT, 1);
	fake_fail(s3, S3_HEAD_OBJECT, -ETIMEDOUT, 1);
	assert_int_equal(run(), -EIO);
	assert_true(result.unsure);
	assert_null(result.etag);
	/* Nothing is unsure about a plain refusal. */
	fake_fail(s3, S3_COPY_OBJECT, -EACCES, 1);
	fake_count_reset(s3);
	assert_int_equal(run(), -EACCES);
	assert_false(result.unsure);
	assert_int_equal(fake_count_all(s3), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_plain),
		T(test_onto_itself),
		T(test_conditions_hold),
		T(test_conditions_fail),
		T(test_not_there),
		T(test_ignored),
		T(test_lost),
		T(test_lost_foreign),
		T(test_repeated),
		T(test_lost_to_others),
		T(test_lost_to_others_plain),
		T(test_lost_without_effect),
		T(test_unsettled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
