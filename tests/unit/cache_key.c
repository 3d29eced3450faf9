/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_key.c - the bytes of a key, and which there are, over an S3 in memory.
 */
#include "tests/unit/cache_folder.h"

#include "cache/admin.h"
#include "s3/base/wait.h"

#define SIZE (20 * MIB + 5)

/* What came. */
struct got {
	uint64_t len;
	unsigned calls;
	unsigned seed;
	unsigned change_at; /* call after which the object changes; 0: never */
	bool goes;          /* ... is removed */
	int err_at;         /* call that fails; 0: none */
	char keys[256];
};

static int
take_bytes(void *arg, const void *data, size_t len)
{
	struct got *got = arg;
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i += 4099)
		assert_int_equal(p[i], fake_byte(got->seed, got->len + i));
	got->len += len;
	if (++got->calls == got->change_at && got->goes)
		fake_remove(s3, "a//b");
	else if (got->calls == got->change_at)
		fake_put(s3, "a//b", SIZE, 2);
	return (int)got->calls == got->err_at ? -EPIPE : 0;
}

static int
take_line(void *arg, const char *key, size_t key_len, uint64_t size)
{
	struct got *got = arg;

	assert_int_equal(strlen(key), key_len);
	got->len += size;
	(void)strcat(strcat(got->keys, key), " ");
	return ++got->calls == (unsigned)got->err_at ? -EPIPE : 0;
}

static struct cache_key_call
call_for(const char *key, struct got *got)
{
	return (struct cache_key_call){
		.key = key, .bytes = take_bytes, .line = take_line, .arg = got
	};
}

static int
get(const char *key, struct got *got)
{
	struct cache_key_call call = call_for(key, got);
	int r = cache_key_get(cache, &call, NULL);

	assert_true(r == -EPIPE || (r == 0) == (call.message[0] == '\0'));
	return r;
}

static void
test_parts(void **state)
{
	struct got got = { .seed = 1 };

	(void)state;
	fake_put(s3, "a//b", SIZE, 1);
	assert_int_equal(get("a//b", &got), 0);
	assert_int_equal(got.len, SIZE);
	assert_int_equal(got.calls, 3);
	assert_int_equal(fake_count(s3, S3_HEAD_OBJECT), 1);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 3);
}

static void
test_an_empty_one(void **state)
{
	struct got got = { .seed = 1 };

	(void)state;
	fake_put(s3, "a//b", 0, 1);
	assert_int_equal(get("a//b", &got), 0);
	assert_int_equal(got.calls, 0);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 0);
}

static void
test_changed_midway(void **state)
{
	struct got got = { .seed = 1, .change_at = 1 };

	(void)state;
	fake_put(s3, "a//b", SIZE, 1);
	assert_int_equal(get("a//b", &got), -ESTALE);
	assert_int_equal(got.calls, 1);
	fake_put(s3, "a//b", SIZE, 1);
	got = (struct got){ .seed = 1, .change_at = 2, .goes = true };
	assert_int_equal(get("a//b", &got), -ESTALE);
	assert_int_equal(got.calls, 2);
}

static void
test_failures(void **state)
{
	struct got got = { .seed = 1, .err_at = 2 };

	(void)state;
	assert_int_equal(get("a//c", &got), -ENOENT);
	assert_int_equal(get("", &got), -EINVAL);
	fake_put(s3, "a//b", SIZE, 1);
	assert_int_equal(get("a//b", &got), -EPIPE);
	assert_int_equal(got.calls, 2);
	fake_cut(s3, 100, -ETIMEDOUT);
	got = (struct got){ .seed = 1 };
	assert_int_equal(
	    cache_key_get(cache,
		&(struct cache_key_call){
		    .key = "a//b", .bytes = take_bytes, .arg = &got },
		NULL),
	    -EIO);
	assert_int_equal(got.calls, 0);
}

static void
test_an_interrupt(void **state)
{
	struct got got = { .seed = 1 };
	struct cache_key_call call = call_for("a//b", &got);
	struct waiter w;

	(void)state;
	fake_put(s3, "a//b", SIZE, 1);
	fake_hold(s3, S3_HEAD_OBJECT, true);
	waiter_init(&w);
	waiter_interrupt(&w);
	assert_int_equal(cache_key_get(cache, &call, &w), -EINTR);
	waiter_fini(&w);
	fake_hold(s3, S3_HEAD_OBJECT, false);
}

static void
test_the_list(void **state)
{
	struct got got = { 0 };
	struct cache_key_call call = call_for("a/", &got);

	(void)state;
	s3->page_size = 2;
	fake_put(s3, "a//b", 1, 1);
	fake_put(s3, "a/../b", 10, 1);
	fake_put(s3, "a/c", 100, 1);
	fake_put(s3, "b//c", 1000, 1);
	assert_int_equal(cache_key_list(cache, &call, NULL), 0);
	assert_string_equal(got.keys, "a/../b a//b a/c ");
	assert_int_equal(got.len, 111);
	got = (struct got){ .err_at = 1 };
	assert_int_equal(cache_key_list(cache, &call, NULL), -EPIPE);
	assert_int_equal(got.calls, 1);
	fake_fail(s3, S3_LIST_OBJECTS, -EACCES, 1);
	assert_int_equal(cache_key_list(cache, &call, NULL), -EACCES);
}

static void
test_below_the_prefix_only(void **state)
{
	struct got got = { .seed = 1 };
	struct cache_key_call call = call_for("", &got);

	(void)state;
	fake_put(s3, "in//x", 5, 1);
	fake_put(s3, "out", 5, 1);
	close_cache();
	config.prefix = "in/";
	open_cache();
	assert_int_equal(get("in//x", &got), 0);
	assert_int_equal(get("out", &got), -EPERM);
	assert_int_equal(get("in", &got), -EPERM);
	assert_int_equal(cache_key_list(cache, &call, NULL), -EPERM);
	assert_true(call.message[0] != '\0');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_parts),
		T(test_an_empty_one),
		T(test_changed_midway),
		T(test_failures),
		T(test_an_interrupt),
		T(test_the_list),
		T(test_below_the_prefix_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
