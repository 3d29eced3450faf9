/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_attrs.c - metadata headers to attributes, and back.
 *
 * Role:    unit test of cache/attrs.c and of what it is made of.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/attrs.h"
#include "cache/attrs_meta.h"
#include "s3/base/buf.h"
#include "s3/s3.h"

#define MS       INT64_C(1000000)
#define NS       INT64_C(1000000000)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The literals become char * without a cast away from const. */
#define META(n, v)                                                             \
	{                                                                      \
		.name = (char[]){ n }, .value = (char[])                       \
		{                                                              \
			v                                                      \
		}                                                              \
	}

static uint64_t seed = 1;

static size_t
number(size_t limit)
{
	seed = seed * UINT64_C(6364136223846793005) +
	       UINT64_C(1442695040888963407);
	return (size_t)(seed >> 33) % limit;
}

static void
read_one(char *name, char *value, struct attrs *a)
{
	struct s3_meta meta = { .name = name, .value = value };

	attrs_init(a);
	assert_int_equal(attrs_read(&meta, 1, NULL, a), 0);
}

static void
check_mode(const char *name, const char *value, int64_t want)
{
	char n[64], v[64];
	struct attrs a;

	strcpy(n, name);
	strcpy(v, value);
	read_one(n, v, &a);
	if (a.has_mode != (want >= 0) || (want >= 0 && a.mode != want))
		print_error("%s: %s is 0%o\n", name, value, a.mode);
	assert_int_equal(a.has_mode, want >= 0);
	if (want >= 0)
		assert_int_equal(a.mode, want);
	/* What is bad is not lost. */
	assert_int_equal(a.other_count, want >= 0 ? 0 : 1);
	attrs_fini(&a);
}

static void
test_mode(void **state)
{
	(void)state;
	check_mode("mode", "33188", 0100644);
	check_mode("mode", "41471", 0120777);
	check_mode("mode", "16877", 0040755);
	check_mode("mode", " 33188 ", 0100644);
	check_mode("mode", "420", 0644);
	check_mode("mode", "0", 0);
	check_mode("mode", "0100644", 0100644);
	check_mode("mode", "0644", 0644);
	check_mode("mode", "100644", 0100644); /* rclone */
	check_mode("mode", "40755", 0040755);
	check_mode("mode", "65535", -1); /* no such type */
	check_mode("mode", "777777", -1);
	check_mode("mode", "", -1);
	check_mode("mode", "-1", -1);
	check_mode("mode", "33188x", -1);
	check_mode("mode", "33188 1", -1);
	check_mode("mode", "99999999999999999999999999", -1);
	check_mode("permissions", "420", 0644);
	check_mode("goog-reserved-posix-mode", "644", 0644);
	check_mode("goog-reserved-posix-mode", "100644", 0100644);
	check_mode("goog-reserved-posix-mode", "648", -1);
	check_mode("file-permissions", "0100644", 0100644);
	check_mode("file-permissions", "100755", 0100755);
	check_mode("file-permissions", "0170000", -1);
}

static void
check_time(const char *name, const char *value, bool good, int64_t want)
{
	char n[64], v[64];
	struct attrs a;

	strcpy(n, name);
	strcpy(v, value);
	read_one(n, v, &a);
	if (a.has_mtime != good || (good && a.mtime_ns != want))
		print_error(
		    "%s: %s is %lld\n", name, value, (long long)a.mtime_ns);
	assert_int_equal(a.has_mtime, good);
	if (good)
		assert_int_equal(a.mtime_ns, want);
	attrs_fini(&a);
}

static void
test_time(void **state)
{
	(void)state;
	check_time("mtime", "0", true, 0);
	check_time("mtime", "1.5", true, 1500 * MS); /* rclone */
	check_time("mtime", "1.", true, NS);
	check_time("mtime", "1.000000005", true, NS + 5);
	check_time("mtime", "1.0000000059", true, NS + 5);
	check_time("mtime", "1354040105.123456789", true,
	    INT64_C(1354040105123456789));
	check_time("mtime", "-1.5", true, -1500 * MS);
	check_time("mtime", "-0.000000001", true, -1);
	check_time("mtime", "9223372036.854775807", true, INT64_MAX);
	check_time("mtime", "-9223372036.854775808", true, INT64_MIN);
	check_time("mtime", "9223372036.854775808", false, 0);
	check_time("mtime", "-9223372036.854775809", false, 0);
	check_time("mtime", "18446744073709551617", false, 0);
	check_time("mtime", "99999999999999999999999", false, 0);
	check_time("mtime", "", false, 0);
	check_time("mtime", "-", false, 0);
	check_time("mtime", ".5", false, 0);
	check_time("mtime", "1.5.5", false, 0);
	check_time("mtime", "1e9", false, 0);
	check_time("mtime", "nan", false, 0);
	check_time("mtime", "5ns", false, 0);
	check_time("goog-reserved-file-mtime", "7", true, 7 * NS);
	check_time("file-mtime", "1595002920000000007ns", true,
	    INT64_C(1595002920000000007));
	check_time("file-mtime", "1595002920007ms", true,
	    INT64_C(1595002920007000000));
	check_time("file-mtime", "3us", true, 3000);
	check_time("file-mtime", "1595002920", true, INT64_C(1595002920) * NS);
	check_time("file-mtime", "1.5s", true, 1500 * MS);
	check_time("file-mtime", "1.5ns", false, 0);
	check_time("file-mtime", "1nss", false, 0);
	check_time("file-mtime", "9223372036854775807ms", false, 0);
}

static void
test_families(void **state)
{
	struct s3_meta s3fs[] = { META("uid", "1000"), META("gid", "100"),
		META("mode", "33188"), META("mtime", "3"),
		META("atime", "2.000000001"), META("ctime", "4"),
		META("rdev", "2049") };
	struct s3_meta s3sync[] = { META("owner", "5"), META("group", "6"),
		META("permissions", "420") };
	struct s3_meta goog[] = { META("goog-reserved-posix-uid", "7"),
		META("goog-reserved-posix-gid", "8"),
		META("goog-reserved-posix-mode", "600"),
		META("goog-reserved-file-mtime", "9") };
	struct s3_meta aws[] = { META("file-owner", "10"),
		META("file-group", "11"), META("file-permissions", "0100600"),
		META("file-mtime", "1ns"), META("file-atime", "2ns"),
		META("file-ctime", "3ns") };
	struct attrs a;

	(void)state;
	attrs_init(&a);
	assert_int_equal(attrs_read(s3fs, COUNT(s3fs), NULL, &a), 0);
	assert_true(a.has_uid && a.has_gid && a.has_mode && a.has_mtime &&
		    a.has_atime && a.has_ctime && a.has_rdev);
	assert_int_equal(a.uid, 1000);
	assert_int_equal(a.gid, 100);
	assert_int_equal(a.mode, 0100644);
	assert_int_equal(a.mtime_ns, 3 * NS);
	assert_int_equal(a.atime_ns, 2 * NS + 1);
	assert_int_equal(a.ctime_ns, 4 * NS);
	assert_int_equal(a.rdev, 2049);
	assert_false(a.is_directory);
	assert_int_equal(attrs_read(s3sync, COUNT(s3sync), NULL, &a), 0);
	assert_true(a.has_uid && a.has_gid && a.has_mode && !a.has_mtime);
	assert_int_equal(a.uid, 5);
	assert_int_equal(a.gid, 6);
	assert_int_equal(a.mode, 0644);
	assert_int_equal(attrs_read(goog, COUNT(goog), NULL, &a), 0);
	assert_int_equal(a.uid, 7);
	assert_int_equal(a.gid, 8);
	assert_int_equal(a.mode, 0600);
	assert_int_equal(a.mtime_ns, 9 * NS);
	assert_int_equal(attrs_read(aws, COUNT(aws), NULL, &a), 0);
	assert_int_equal(a.uid, 10);
	assert_int_equal(a.gid, 11);
	assert_int_equal(a.mode, 0100600);
	assert_int_equal(a.mtime_ns, 1);
	assert_int_equal(a.atime_ns, 2);
	assert_int_equal(a.ctime_ns, 3);
	assert_int_equal(a.other_count, 0);
	attrs_fini(&a);
}

static void
test_precedence(void **state)
{
	struct s3_meta all[] = { META("file-owner", "3"), META("owner", "2"),
		META("uid", "1"), META("file-mtime", "3ns"),
		META("mtime", "bad"), META("owner", "alice"),
		META("gid", "4294967296"), META("file-group", "9") };
	struct s3_meta *meta;
	struct attrs a;
	size_t count;

	(void)state;
	attrs_init(&a);
	assert_int_equal(attrs_read(all, COUNT(all), NULL, &a), 0);
	assert_int_equal(a.uid, 1);
	assert_int_equal(a.mtime_ns, 3); /* the next that is good */
	assert_int_equal(a.gid, 9);
	/* The bad ones are kept, but never beside one of the same name. */
	assert_int_equal(a.other_count, 3);
	assert_int_equal(attrs_write(&a, false, &meta, &count), 0);
	assert_int_equal(count, 4);
	assert_string_equal(meta[0].name, "uid");
	assert_string_equal(meta[1].name, "gid");
	assert_string_equal(meta[1].value, "9");
	assert_string_equal(meta[2].name, "mtime");
	assert_string_equal(meta[2].value, "0.000000003");
	assert_string_equal(meta[3].name, "owner");
	assert_string_equal(meta[3].value, "alice");
	attrs_meta_free(meta, count);
	attrs_fini(&a);
}

static void
test_content_type(void **state)
{
	static const struct {
		const char *type;
		bool want;
	} types[] = { { NULL, false }, { "", false },
		{ "application/x-directory", true },
		{ "Application/X-Directory; charset=UTF-8", true },
		{ "httpd/unix-directory", true },
		{ "application/x-directory2", false },
		{ "application/octet-stream", false } };
	struct attrs a;

	(void)state;
	attrs_init(&a);
	for (size_t i = 0; i < COUNT(types); i++) {
		assert_int_equal(attrs_read(NULL, 0, types[i].type, &a), 0);
		assert_int_equal(a.is_directory, types[i].want);
	}
	attrs_fini(&a);
}

static void
check_symlink(const char *value, const char *want)
{
	char v[64], n[] = "--symlink-target";
	struct attrs a;

	strcpy(v, value);
	read_one(n, v, &a);
	if (want == NULL)
		assert_null(a.symlink);
	else
		assert_string_equal(a.symlink, want);
	attrs_fini(&a);
}

static void
test_symlink(void **state)
{
	char *big = malloc(8000), n[] = "--symlink-target";
	struct attrs a;

	(void)state;
	check_symlink("../a b", "../a b");
	check_symlink("100%25%c3%A9", "100%\xc3\xa9");
	check_symlink("", NULL);
	check_symlink("a%00b", NULL);
	check_symlink("a%", NULL);
	check_symlink("a%2", NULL);
	check_symlink("a%zz", NULL);
	assert_non_null(big);
	memset(big, 'x', 4095);
	big[4095] = '\0';
	read_one(n, big, &a);
	assert_non_null(a.symlink);
	attrs_fini(&a);
	memset(big, 'x', 4096);
	big[4096] = '\0';
	read_one(n, big, &a);
	assert_null(a.symlink);
	attrs_fini(&a);
	free(big);
}

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

/* The bytes that are sent: s3fs reads them. */
static void
test_write_form(void **state)
{
	static const char *const want[][2] = { { "uid", "0" },
		{ "gid", "4294967295" }, { "mode", "33188" },
		{ "mtime", "1.500000000" }, { "atime", "-0.000000001" },
		{ "ctime", "-9223372036.854775808" },
		{ "xattr", "%7B%22user.a%22%3A%22MQ%3D%3D%22%7D" },
		{ "--symlink-target", "../a%25%C3%A9" },
		{ "pailfs-token", "T-1_x" }, { "md5chksum", "abc" },
		{ "mine", "x y" } };
	struct s3_meta in[] = { META("md5chksum", "abc"), META("mine", "x y"),
		META("--symlink-target", "../a%25%c3%a9"),
		META("pailfs-token", "T-1_x") };
	struct s3_meta *meta;
	struct attrs a;
	size_t count, size = 0;

	(void)state;
	attrs_init(&a);
	assert_int_equal(attrs_read(in, COUNT(in), NULL, &a), 0);
	a.has_uid = a.has_gid = a.has_mode = true;
	a.has_mtime = a.has_atime = a.has_ctime = true;
	a.gid = UINT32_MAX;
	a.mode = 0100644;
	a.mtime_ns = 1500 * MS;
	a.atime_ns = -1;
	a.ctime_ns = INT64_MIN;
	assert_int_equal(attrs_xattr_set(&a, "user.a", "1", 1), 0);
	assert_int_equal(attrs_write(&a, false, &meta, &count), 0);
	assert_int_equal(count, COUNT(want));
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(meta[i].name, want[i][0]);
		assert_string_equal(meta[i].value, want[i][1]);
		size += 11 + strlen(want[i][0]) + strlen(want[i][1]);
	}
	assert_int_equal(attrs_meta_size(meta, count), size);
	attrs_meta_free(meta, count);
	/* With other bytes the checksum of the old ones goes. */
	assert_int_equal(attrs_write(&a, true, &meta, &count), 0);
	assert_int_equal(count, COUNT(want) - 1);
	assert_string_equal(meta[count - 1].name, "mine");
	attrs_meta_free(meta, count);
	attrs_fini(&a);
	/* Nothing known, nothing sent. */
	assert_int_equal(attrs_write(&a, false, &meta, &count), 0);
	assert_int_equal(count, 0);
	attrs_meta_free(meta, count);
}

static void
test_token(void **state)
{
	char n[] = "pailfs-token", bad[] = "a b", none[] = "";
	char longest[ATTRS_TOKEN_MAX + 2];
	struct attrs a;

	(void)state;
	memset(longest, 'z', sizeof(longest));
	longest[ATTRS_TOKEN_MAX + 1] = '\0';
	read_one(n, longest, &a);
	assert_null(a.token);
	attrs_fini(&a);
	longest[ATTRS_TOKEN_MAX] = '\0';
	read_one(n, longest, &a);
	assert_string_equal(a.token, longest);
	attrs_fini(&a);
	read_one(n, bad, &a);
	assert_null(a.token);
	attrs_fini(&a);
	read_one(n, none, &a);
	assert_null(a.token);
	attrs_fini(&a);
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

static void
check_equal(const struct attrs *a, const struct attrs *b)
{
	assert_int_equal(a->is_directory, b->is_directory);
#define SAME(has, field)                                                       \
	do {                                                                   \
		assert_int_equal(a->has, b->has);                              \
		if (a->has)                                                    \
			assert_int_equal(a->field, b->field);                  \
	} while (0)
	SAME(has_mode, mode);
	SAME(has_uid, uid);
	SAME(has_gid, gid);
	SAME(has_rdev, rdev);
	SAME(has_atime, atime_ns);
	SAME(has_mtime, mtime_ns);
	SAME(has_ctime, ctime_ns);
#undef SAME
	assert_int_equal(a->symlink != NULL, b->symlink != NULL);
	if (a->symlink != NULL)
		assert_string_equal(a->symlink, b->symlink);
	assert_int_equal(a->token != NULL, b->token != NULL);
	if (a->token != NULL)
		assert_string_equal(a->token, b->token);
	assert_int_equal(a->xattr_count, b->xattr_count);
	for (size_t i = 0; i < a->xattr_count; i++) {
		assert_string_equal(a->xattrs[i].name, b->xattrs[i].name);
		assert_int_equal(a->xattrs[i].len, b->xattrs[i].len);
		assert_memory_equal(
		    a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].len);
	}
	assert_int_equal(a->other_count, b->other_count);
	for (size_t i = 0; i < a->other_count; i++) {
		assert_string_equal(a->other[i].name, b->other[i].name);
		assert_string_equal(a->other[i].value, b->other[i].value);
	}
}

/* Attributes that any program might have set. */
static void
make_random(struct attrs *a)
{
	static const uint32_t types[] = { 0, 0010000, 0020000, 0040000, 0060000,
		0100000, 0120000, 0140000 };
	static const char *const names[] = { "user.a", "user.b/c", "u\"%\\\n",
		"system.posix_acl_access", "\xc3\xa9" };
	uint8_t value[64];
	char text[20] = "";

	attrs_init(a);
	a->is_directory = number(2) == 0;
	a->has_mode = number(4) > 0;
	a->mode = types[number(COUNT(types))] | (uint32_t)number(010000);
	a->has_uid = number(4) > 0;
	a->uid = (uint32_t)number(UINT32_MAX);
	a->has_gid = number(4) > 0;
	a->gid = (uint32_t)number(70000);
	a->has_rdev = number(4) == 0;
	a->rdev = (uint32_t)number(70000);
	a->has_mtime = number(4) > 0;
	a->mtime_ns = (int64_t)(seed * 77);
	a->has_atime = number(4) > 0;
	a->atime_ns = (int64_t)(seed >> number(64));
	a->has_ctime = number(4) > 0;
	a->ctime_ns = -(int64_t)(seed >> (1 + number(63)));
	for (size_t i = number(8); i < COUNT(names); i++) {
		size_t len = number(sizeof(value) + 1);

		for (size_t k = 0; k < len; k++)
			value[k] = (uint8_t)number(256);
		assert_int_equal(attrs_xattr_set(a, names[i], value, len), 0);
	}
	for (size_t i = 0; i < number(sizeof(text)); i++)
		text[i] = (char)(1 + number(255));
	if (number(3) == 0 && text[0] != '\0')
		a->symlink = strdup(text);
	if (number(3) == 0)
		a->token = strdup("0123456789abcdef-XYZ_");
	if (number(3) == 0)
		assert_int_equal(attrs_meta_add(&a->other, &a->other_count,
				     "owner", "alice"),
		    0);
	if (number(3) == 0)
		assert_int_equal(
		    attrs_meta_add(&a->other, &a->other_count, "k", "\xff=?"),
		    0);
}

static void
test_round_trip(void **state)
{
	struct buf b = BUF_INIT(1 << 20);
	struct attrs a, back;

	(void)state;
	for (size_t i = 0; i < 5000; i++) {
		struct s3_meta *meta;
		size_t count;

		make_random(&a);
		attrs_init(&back);
		assert_int_equal(attrs_write(&a, false, &meta, &count), 0);
		assert_int_equal(
		    attrs_read(meta, count,
			a.is_directory ? "httpd/unix-directory" : NULL, &back),
		    0);
		attrs_meta_free(meta, count);
		check_equal(&a, &back);
		buf_clear(&b);
		assert_int_equal(attrs_pack(&a, &b), 0);
		attrs_fini(&back);
		assert_int_equal(attrs_unpack(b.data, b.len, &back), 0);
		check_equal(&a, &back);
		attrs_fini(&back);
		assert_int_equal(attrs_copy(&back, &a), 0);
		assert_int_equal(attrs_copy(&back, &back), 0);
		check_equal(&a, &back);
		attrs_fini(&back);
		attrs_fini(&a);
	}
	buf_fini(&b);
}

static void
test_unpack_bad(void **state)
{
	static const char good[] = "\x01\x00uid\0"
				   "5";
	struct attrs a;

	(void)state;
	attrs_init(&a);
	assert_int_equal(attrs_unpack(good, sizeof(good), &a), 0);
	assert_int_equal(a.uid, 5);
	assert_int_equal(attrs_unpack(NULL, 0, &a), -EBADMSG);
	assert_int_equal(attrs_unpack("\x01", 1, &a), -EBADMSG);
	assert_int_equal(attrs_unpack("\x02\x00", 2, &a), -EBADMSG);
	assert_int_equal(attrs_unpack("\x01\x02", 2, &a), -EBADMSG);
	for (size_t i = 3; i < sizeof(good); i++)
		assert_int_equal(attrs_unpack(good, i, &a), -EBADMSG);
	assert_int_equal(a.uid, 5);
	assert_int_equal(attrs_unpack(good, 2, &a), 0);
	assert_false(a.has_uid);
	attrs_fini(&a);
}

/* A value that is nearly right, or not at all. */
static void
make_hostile(char *value, size_t size)
{
	static const char *const starts[] = { "", "33188", "1.5",
		"1595002920000000000ns", "-", "%7B%22a%22%3A%22",
		"{\"a\":\"MQ==\",\"b\":", "{\"a\":{\"a\":[[[[", "%00", "%2525",
		"0100644" };
	static const char alphabet[] = "0123456789-.%{}[]\":,nsum=aA+/ \t\\u";
	size_t len, more = number(40);

	strcpy(value, starts[number(COUNT(starts))]);
	len = strlen(value);
	if (number(3) == 0)
		more = 0;
	for (size_t i = 0; i < more && len + 1 < size; i++)
		value[len++] = number(3) == 0
				   ? (char)(1 + number(255))
				   : alphabet[number(sizeof(alphabet) - 1)];
	value[len] = '\0';
}

/*
 * Anything at all: no crash, and what was understood is a fixed point: written
 * and read again it is the same.
 */
static void
test_hostile(void **state)
{
	static const char *const names[] = { "mode", "uid", "gid", "rdev",
		"mtime", "atime", "ctime", "xattr", "--symlink-target",
		"pailfs-token", "permissions", "owner", "group",
		"goog-reserved-posix-mode", "goog-reserved-file-mtime",
		"file-permissions", "file-owner", "file-mtime", "file-ctime",
		"file-atime", "other", "" };
	struct attrs a, back;

	(void)state;
	for (size_t i = 0; i < 40000; i++) {
		struct s3_meta meta[6], *out;
		char values[6][128], type[128];
		size_t count = number(7), out_count;
		char copies[6][32];

		for (size_t k = 0; k < count; k++) {
			strcpy(copies[k], names[number(COUNT(names))]);
			make_hostile(values[k], sizeof(values[k]));
			meta[k].name = copies[k];
			meta[k].value = values[k];
		}
		make_hostile(type, sizeof(type));
		attrs_init(&a);
		attrs_init(&back);
		assert_int_equal(attrs_read(meta, count, type, &a), 0);
		assert_false(a.is_directory);
		assert_int_equal(attrs_write(&a, false, &out, &out_count), 0);
		assert_int_equal(attrs_read(out, out_count, NULL, &back), 0);
		attrs_meta_free(out, out_count);
		assert_int_equal(
		    attrs_write(&back, false, &out, &out_count), 0);
		assert_true(out_count <= count);
		attrs_fini(&a);
		assert_int_equal(attrs_read(out, out_count, NULL, &a), 0);
		attrs_meta_free(out, out_count);
		check_equal(&a, &back);
		attrs_fini(&a);
		attrs_fini(&back);
	}
}

static void
test_hostile_packed(void **state)
{
	struct attrs a;

	(void)state;
	attrs_init(&a);
	for (size_t i = 0; i < 40000; i++) {
		char *bytes, text[40];
		size_t len = number(sizeof(text));
		int r;

		for (size_t k = 0; k < len; k++)
			text[k] =
			    number(3) == 0 ? '\0' : "mode1\xff"[number(6)];
		if (len > 1 && number(8) > 0) {
			text[0] = 1;
			text[1] = (char)number(2);
		}
		bytes = malloc(len + 1);
		assert_non_null(bytes);
		memcpy(bytes + 1, text, len);
		r = attrs_unpack(bytes + 1, len, &a);
		assert_true(r == 0 || r == -EBADMSG);
		free(bytes);
	}
	attrs_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_content_type),
		cmocka_unit_test(test_symlink),
		cmocka_unit_test(test_xattr_read),
		cmocka_unit_test(test_write_form),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_xattr_set),
		cmocka_unit_test(test_xattr_full),
		cmocka_unit_test(test_write_full),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_unpack_bad),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
