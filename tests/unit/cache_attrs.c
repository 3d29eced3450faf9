/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_attrs.c - metadata headers to attributes, and back.
 *
 * Role:    unit test of cache/attrs.c and attrs_meta.c.  See also
 *          cache_attrs_value.c and cache_attrs_json.c.
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
#include "tests/unit/attrs_one.h"

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
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_content_type),
		cmocka_unit_test(test_write_form),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_unpack_bad),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_hostile_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
