/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_headers.c - rows to headers, and back by the way that a HEAD goes.
 *
 * Role:    unit test of cache/headers.c.
 */
#include "tests/unit/cache_folder.h"

#include "cache/attrs.h"
#include "cache/core.h"
#include "cache/headers.h"
#include "cache/mime.h"
#include "cache/view.h"

#define S INT64_C(1000000000)

static struct headers headers;

/* The value of ${name}, or NULL. */
static const char *
value(const char *name)
{
	for (size_t i = 0; i < headers.meta_count; i++)
		if (strcmp(headers.meta[i].name, name) == 0)
			return headers.meta[i].value;
	return NULL;
}

static struct row
file_row(char *name)
{
	return (struct row){ .id = 10,
		.node = 10,
		.parent = CACHE_ROOT,
		.name = name,
		.kind = ROW_FILE,
		.size = 3,
		.uid = 1000,
		.gid = 1001,
		.mode = S_IFREG | 0640,
		.modified_ns = 1600000000 * S,
		.mtime_ns = 1500000000 * S + 5,
		.atime_ns = 1500000001 * S,
		.ctime_ns = 1500000002 * S };
}

static void
make(const struct row *row, bool new_content)
{
	headers_fini(&headers);
	assert_int_equal(headers_make(cache, row, new_content, &headers), 0);
}

static int
clean_up(void **state)
{
	headers_fini(&headers);
	return tear_down(state);
}

/* Metadata that came with the object, in the form that rows keep. */
static void
pack(struct row *row, const struct s3_meta *meta, size_t count)
{
	struct buf b = BUF_INIT(65536);
	struct attrs a;
	char *data = NULL;

	attrs_init(&a);
	assert_int_equal(attrs_read(meta, count, NULL, &a), 0);
	assert_int_equal(attrs_pack(&a, &b), 0);
	row->meta_len = b.len;
	assert_int_equal(buf_take(&b, &data), 0);
	row->meta = data;
	attrs_fini(&a);
	buf_fini(&b);
}

/* ---- tests ---- */

static void
test_file(void **state)
{
	char name[] = "a.html", token[] = "abc-_9";
	struct row row = file_row(name);

	(void)state;
	row.token = token;
	make(&row, true);
	assert_string_equal(value("mode"), "33184"); /* 0100640 */
	assert_string_equal(value("uid"), "1000");
	assert_string_equal(value("gid"), "1001");
	assert_string_equal(value("mtime"), "1500000000.000000005");
	assert_string_equal(value("atime"), "1500000001.000000000");
	assert_string_equal(value("ctime"), "1500000002.000000000");
	assert_string_equal(value("pailfs-token"), "abc-_9");
	assert_null(value("rdev"));
	assert_null(value("--symlink-target"));
	assert_int_equal(headers.meta_count, 7);
	assert_string_equal(
	    headers.content_type, mime_of(cache->mime, "a.html"));
}

/* What is not known is written as callers saw it so far. */
static void
test_defaults(void **state)
{
	char name[] = "a";
	struct row row = { .kind = ROW_FILE,
		.id = 10,
		.name = name,
		.uid = UINT32_MAX,
		.gid = UINT32_MAX,
		.modified_ns = 1600000000 * S };
	struct cache_attr seen;
	char text[32];

	(void)state;
	view_attr(cache, &row, &seen);
	make(&row, false);
	(void)snprintf(text, sizeof(text), "%u", S_IFREG | 0644);
	assert_string_equal(value("mode"), text);
	(void)snprintf(text, sizeof(text), "%u", seen.uid);
	assert_string_equal(value("uid"), text);
	/* A copy changes Last-Modified: the time seen must not change. */
	assert_string_equal(value("mtime"), "1600000000.000000000");
	assert_null(value("pailfs-token"));
	row.modified_ns = 0;
	make(&row, false);
	assert_null(value("mtime"));
}

static void
test_types(void **state)
{
	char name[] = "a.html", type[] = "text/x-own", target[] = "b";
	struct row row = file_row(name);

	(void)state;
	row.content_type = type;
	make(&row, true);
	assert_string_equal(headers.content_type, "text/x-own");
	row.content_type = NULL;
	row.kind = ROW_DIR;
	row.mode = S_IFDIR | 0750;
	make(&row, true);
	assert_string_equal(headers.content_type, "application/x-directory");
	assert_string_equal(value("mode"), "16872"); /* 040750 */
	row.kind = ROW_SYMLINK;
	row.mode = S_IFLNK | 0777;
	row.target = target;
	row.size = 1;
	make(&row, true);
	assert_string_equal(headers.content_type, MIME_DEFAULT);
	assert_string_equal(value("mode"), "41471"); /* 0120777 */
	assert_null(value("--symlink-target"));      /* it is in the body */
	row.size = 0;                                /* it came in a header */
	make(&row, false);
	assert_string_equal(value("--symlink-target"), "b");
	row.kind = ROW_SPECIAL;
	row.mode = S_IFCHR | 0600;
	row.rdev = 0x103;
	make(&row, true);
	assert_string_equal(value("rdev"), "259");
}

/* Metadata of others stays; a checksum of other bytes does not. */
static void
test_others(void **state)
{
	char mode[] = "mode", old[] = "33188", md5[] = "md5chksum",
	     sum[] = "c3Vt", own[] = "project", what[] = "x", xattr[] = "xattr",
	     xattrs[] = "%7B%22user.a%22%3A%22Yg%3D%3D%22%7D",
	     tok[] = "pailfs-token", old_token[] = "old", name[] = "a",
	     token[] = "new";
	const struct s3_meta meta[] = { { mode, old }, { md5, sum },
		{ own, what }, { xattr, xattrs }, { tok, old_token } };
	struct row row = file_row(name);

	(void)state;
	row.token = token;
	pack(&row, meta, 5);
	make(&row, false);
	assert_string_equal(value("mode"), "33184"); /* the row's */
	assert_string_equal(value("md5chksum"), "c3Vt");
	assert_string_equal(value("project"), "x");
	assert_non_null(value("xattr"));
	assert_string_equal(value("pailfs-token"), "new");
	make(&row, true);
	assert_null(value("md5chksum"));
	assert_string_equal(value("project"), "x");
	free(row.meta);
}

static void
test_too_much(void **state)
{
	char name[] = "a", key[] = "k";
	static char big[2048];
	const struct s3_meta meta[] = { { key, big } };
	struct row row = file_row(name);
	struct headers none = { 0 };

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	pack(&row, meta, 1);
	assert_int_equal(headers_make(cache, &row, false, &none), -ENOSPC);
	assert_null(none.meta);
	free(row.meta);
	row.meta = key;
	row.meta_len = 1;
	assert_int_equal(headers_make(cache, &row, false, &none), -EBADMSG);
}

static void
test_apply(void **state)
{
	char name[] = "a";
	struct row row = file_row(name);
	struct s3_call call;

	(void)state;
	make(&row, true);
	s3_call_init(&call, S3_COPY_OBJECT);
	headers_apply(&headers, &call);
	assert_true(call.replace_meta);
	assert_ptr_equal(call.meta, headers.meta);
	assert_int_equal(call.meta_count, headers.meta_count);
	assert_ptr_equal(call.content_type, headers.content_type);
	s3_call_init(&call, S3_PUT_OBJECT);
	headers_apply(&headers, &call);
	assert_false(call.replace_meta);
	assert_ptr_equal(call.meta, headers.meta);
}

/* Tokens are good by the rule of who reads them, and never the same. */
static void
test_token(void **state)
{
	static char seen[1000][HEADERS_TOKEN_LEN + 1];
	char key[] = "pailfs-token";
	bool used[256] = { false };
	int digits = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct s3_meta meta = { key, seen[i] };
		struct attrs a;

		headers_token(seen[i]);
		assert_int_equal(strlen(seen[i]), HEADERS_TOKEN_LEN);
		attrs_init(&a);
		assert_int_equal(attrs_read(&meta, 1, NULL, &a), 0);
		assert_string_equal(a.token, seen[i]);
		attrs_fini(&a);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(seen[k], seen[i]);
		for (const char *s = seen[i]; *s != '\0'; s++)
			used[(unsigned char)*s] = true;
	}
	for (int i = 0; i < 256; i++)
		digits += used[i];
	assert_int_equal(digits, 64);
}

/* Tokens of one family are told from each other, and from all others. */
static void
test_family(void **state)
{
	char a[HEADERS_TOKEN_LEN + 1], b[HEADERS_TOKEN_LEN + 1];
	char other[HEADERS_TOKEN_LEN + 1];

	(void)state;
	headers_token_like(NULL, a);
	headers_token_like(NULL, other);
	for (int i = 0; i < 100; i++) {
		headers_token_like(a, b);
		assert_int_equal(strlen(b), HEADERS_TOKEN_LEN);
		assert_string_not_equal(a, b);
		assert_true(headers_token_is_like(a, b));
		assert_false(headers_token_is_like(b, other));
	}
	assert_false(headers_token_is_like(a, NULL));
	assert_false(headers_token_is_like(NULL, NULL));
	assert_false(headers_token_is_like("short", "short"));
	headers_token_like("short", b);
	assert_int_equal(strlen(b), HEADERS_TOKEN_LEN);
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, clean_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_file),
		T(test_defaults),
		T(test_types),
		T(test_others),
		T(test_too_much),
		T(test_apply),
		T(test_token),
		T(test_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
