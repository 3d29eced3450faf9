/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_attrs_json.c - extended attributes in one header.
 *
 * Role:    unit test of cache/attrs_json.c, and of xattrs in cache/attrs.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/attrs.h"
#include "cache/attrs_meta.h"
#include "s3/s3.h"
#include "tests/unit/attrs_one.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
check_xattr(const struct attrs *a, const char *name, const char *value)
{
	const struct attrs_xattr *x = attrs_xattr_find(a, name);

	assert_non_null(x);
	assert_int_equal(x->len, strlen(value));
	assert_memory_equal(x->value, value, x->len);
}

static void
test_xattr_read(void **state)
{
	/* As s3fs writes {"user.a":"MQ==","user.b":""}. */
	char good[] = "%7B%22user.a%22%3A%22MQ%3D%3D%22%2C%22user.b%22%3A%22"
		      "%22%7D";
	char plain[] = "{\"user.a\":\"aGVsbG8=\",\"user.b\":\"aGVsbG8\","
		       "\"\":\"\",\"c\":1,\"d\":\"!\",\"e\":\"aGVsb\","
		       "\"f\":\"aGVsbG8==\",\"g\":\"====\",\"h\":\"AAAA\","
		       "\"user.a\":\"aGVsbG9v\"}";
	static const char *const bad[] = { "", "%", "{", "[]", "1", "%7B%00%7D",
		"{\"a\":\"\"}x", "{\"\\u0000\":\"\"}", "{\"\xff\":\"\"}" };
	char n[] = "xattr", v[32];
	struct attrs a;

	(void)state;
	read_one(n, good, &a);
	assert_int_equal(a.xattr_count, 2);
	check_xattr(&a, "user.a", "1");
	check_xattr(&a, "user.b", "");
	attrs_fini(&a);
	read_one(n, plain, &a);
	assert_int_equal(a.xattr_count, 3);
	check_xattr(&a, "user.a", "helloo");
	check_xattr(&a, "user.b", "hello");
	assert_int_equal(attrs_xattr_find(&a, "h")->len, 3);
	assert_memory_equal(attrs_xattr_find(&a, "h")->value, "\0\0\0", 3);
	attrs_fini(&a);
	for (size_t i = 0; i < COUNT(bad); i++) {
		strcpy(v, bad[i]);
		read_one(n, v, &a);
		assert_int_equal(a.xattr_count, 0);
		assert_int_equal(a.other_count, 1);
		attrs_fini(&a);
	}
}

static void
test_xattr_set(void **state)
{
	char name[300];
	struct attrs a;

	(void)state;
	attrs_init(&a);
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	assert_int_equal(attrs_xattr_set(&a, name, "", 0), 0);
	assert_true(attrs_xattr_remove(&a, name));
	name[255] = 'n';
	name[256] = '\0';
	assert_int_equal(attrs_xattr_set(&a, name, "", 0), -ERANGE);
	assert_int_equal(attrs_xattr_set(&a, "", "", 0), -EINVAL);
	assert_int_equal(attrs_xattr_set(&a, "\xff", "", 0), -EINVAL);
	assert_int_equal(attrs_xattr_set(&a, "user.\xc3\xa9", "1", 1), 0);
	assert_int_equal(attrs_xattr_set(&a, "user.b", "\0\xff", 2), 0);
	assert_int_equal(attrs_xattr_set(&a, "user.c", NULL, 0), 0);
	assert_int_equal(attrs_xattr_set(&a, "user.b", "two", 3), 0);
	assert_int_equal(a.xattr_count, 3);
	check_xattr(&a, "user.b", "two");
	assert_false(attrs_xattr_remove(&a, "user.d"));
	assert_true(attrs_xattr_remove(&a, "user.\xc3\xa9"));
	assert_null(attrs_xattr_find(&a, "user.\xc3\xa9"));
	check_xattr(&a, "user.b", "two");
	check_xattr(&a, "user.c", "");
	attrs_fini(&a);
}

/* Fill up with xattrs: -ENOSPC comes when one is set and changes nothing;
 * after it, all else that may be set at its longest still fits. */
static void
test_xattr_full(void **state)
{
	uint8_t value[3000] = { 0 };
	char token[ATTRS_TOKEN_MAX + 1];
	struct s3_meta *meta;
	struct attrs a;
	size_t count, len, total = 0;

	(void)state;
	attrs_init(&a);
	memset(token, 't', sizeof(token));
	token[ATTRS_TOKEN_MAX] = '\0';
	for (len = 0; attrs_xattr_set(&a, "user.x", value, len) == 0; len++)
		total++;
	assert_in_range(total, 900, 1600);
	assert_int_equal(attrs_xattr_set(&a, "user.x", value, len), -ENOSPC);
	assert_int_equal(
	    attrs_xattr_set(&a, "user.x", value, sizeof(value)), -ENOSPC);
	assert_int_equal(attrs_xattr_set(&a, "user.y", value, 200), -ENOSPC);
	assert_int_equal(a.xattr_count, 1);
	assert_int_equal(a.xattrs[0].len, len - 1);
	a.has_uid = a.has_gid = a.has_mode = true;
	a.has_mtime = a.has_atime = a.has_ctime = true;
	a.uid = a.gid = UINT32_MAX;
	a.mode = 0140777;
	a.mtime_ns = a.atime_ns = a.ctime_ns = INT64_MIN;
	a.token = strdup(token);
	assert_int_equal(attrs_write(&a, false, &meta, &count), 0);
	assert_in_range(
	    attrs_meta_size(meta, count), S3_META_MAX - 20, S3_META_MAX);
	attrs_meta_free(meta, count);
	attrs_fini(&a);
}

static void
test_write_full(void **state)
{
	char value[2048], n[] = "mine";
	struct s3_meta *meta = NULL;
	size_t count = 9;
	struct attrs a;

	(void)state;
	memset(value, 'v', sizeof(value));
	value[S3_META_MAX - 15] = '\0';
	read_one(n, value, &a);
	assert_int_equal(attrs_write(&a, false, &meta, &count), 0);
	assert_int_equal(attrs_meta_size(meta, count), S3_META_MAX);
	attrs_meta_free(meta, count);
	meta = NULL;
	count = 9;
	a.has_uid = true;
	assert_int_equal(attrs_write(&a, false, &meta, &count), -ENOSPC);
	assert_null(meta);
	assert_int_equal(count, 9);
	assert_int_equal(attrs_xattr_set(&a, "user.a", "", 0), -ENOSPC);
	assert_int_equal(a.xattr_count, 0);
	attrs_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xattr_read),
		cmocka_unit_test(test_xattr_set),
		cmocka_unit_test(test_xattr_full),
		cmocka_unit_test(test_write_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
