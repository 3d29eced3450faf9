/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_url.c - tests of s3/url.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/url.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static void
test_encode(void **state)
{
	struct buf b = BUF_INIT(4096);
	char all[255], *back;
	size_t len;

	(void)state;
	assert_int_equal(url_encode(&b, "a/b c+d~%\xc3\xa4\0z", 13, true), 0);
	assert_string_equal(buf_str(&b), "a/b%20c%2Bd~%25%C3%A4%00z");
	buf_clear(&b);
	assert_int_equal(url_encode(&b, "/.-_*()", 7, false), 0);
	assert_string_equal(buf_str(&b), "%2F.-_%2A%28%29");
	buf_clear(&b);
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i + 1);
	assert_int_equal(url_encode(&b, all, sizeof(all), false), 0);
	assert_int_equal(url_decode(b.data, b.len, &back, &len), 0);
	assert_int_equal(len, sizeof(all));
	assert_memory_equal(back, all, sizeof(all));
	free(back);
	buf_fini(&b);
}

static void
test_decode(void **state)
{
	static const char *const bad[] = { "%", "a%4", "%zz", "%4g", "%%41" };
	char *s = NULL;
	size_t len;

	(void)state;
	assert_int_equal(url_decode("a+b%2bc%00%4A", 13, &s, &len), 0);
	assert_int_equal(len, 7);
	assert_memory_equal(s, "a b+c\0J", 8);
	free(s);
	s = NULL;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		assert_int_equal(
		    url_decode(bad[i], strlen(bad[i]), &s, &len), -EINVAL);
		assert_null(s);
	}
	/* The length counts, not what lies behind. */
	assert_int_equal(url_decode("%41", 2, &s, &len), -EINVAL);
}

static void
test_query(void **state)
{
	static const struct url_param params[] = { { "prefix", "a/b &=" },
		{ "list-type", "2" }, { "uploads", NULL }, { "a", "2" },
		{ "a-b", "1" }, { "a", "1" } };
	struct url_param many[URL_PARAMS_MAX + 1] = { { "x", "y" } };
	struct buf b = BUF_INIT(1000);

	(void)state;
	assert_int_equal(url_query(&b, params, LENGTH(params)), 0);
	assert_string_equal(buf_str(&b),
	    "a=1&a=2&a-b=1&list-type=2&prefix=a%2Fb%20%26%3D&uploads=");
	assert_int_equal(url_query(&b, many, LENGTH(many)), -E2BIG);
	buf_clear(&b);
	assert_int_equal(url_query(&b, NULL, 0), 0);
	assert_string_equal(buf_str(&b), "");
	buf_fini(&b);
}

static void
test_endpoint(void **state)
{
	static const struct {
		const char *url;
		bool https;
		const char *host;
		unsigned port;
		const char *path;
	} good[] = {
		{ "http://127.0.0.1:9000", false, "127.0.0.1", 9000, "" },
		{ "https://S3.Example.org/", true, "s3.example.org", 0, "" },
		{ "s3.example.org:443", true, "s3.example.org", 0, "" },
		{ "HTTP://a:80/b/c//", false, "a", 0, "/b/c" },
		{ "http://a:443", false, "a", 443, "" },
		{ "https://[::1]:8443/x%20y", true, "[::1]", 8443, "/x%20y" },
		{ "http://[FE80::1]", false, "[fe80::1]", 0, "" },
	};
	static const char *const bad[] = { "", "http://", "ftp://a",
		"http://a b", "http://u:p@h", "http://h:0", "http://h:65536",
		"http://h:", "http://h:80x", "http://h?x", "http://h/#f",
		"http://[::1", "http://[::g]", "http://[]", "http://h/a?b",
		"http://h\r\nx", "http://[::1]x" };
	struct endpoint e;
	struct buf b = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < LENGTH(good); i++) {
		assert_int_equal(url_parse_endpoint(good[i].url, &e), 0);
		assert_int_equal(e.https, good[i].https);
		assert_string_equal(e.host, good[i].host);
		assert_int_equal(e.port, good[i].port);
		assert_string_equal(e.path, good[i].path);
	}
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(url_parse_endpoint(bad[i], &e), -EINVAL);
	assert_int_equal(url_parse_endpoint("[::1]:80/a/", &e), 0);
	assert_int_equal(url_endpoint_print(&b, &e), 0);
	assert_string_equal(buf_str(&b), "https://[::1]:80/a");
	buf_fini(&b);
}

static void
test_aws(void **state)
{
	static const char *const bad[] = { "", "US-EAST-1", "a.b", "a/b",
		"a@b" };
	struct endpoint e;

	(void)state;
	assert_int_equal(url_aws_endpoint("eu-west-1", &e), 0);
	assert_string_equal(e.host, "s3.eu-west-1.amazonaws.com");
	assert_true(e.https && e.is_aws && e.port == 0);
	assert_int_equal(url_aws_endpoint("cn-north-1", &e), 0);
	assert_string_equal(e.host, "s3.cn-north-1.amazonaws.com.cn");
	assert_int_equal(url_aws_endpoint("us-gov-west-1", &e), 0);
	assert_string_equal(e.host, "s3.us-gov-west-1.amazonaws.com");
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(url_aws_endpoint(bad[i], &e), -EINVAL);
	assert_int_equal(
	    url_parse_endpoint("https://s3.us-west-2.amazonaws.com", &e), 0);
	assert_true(e.is_aws);
	assert_int_equal(
	    url_parse_endpoint("https://evil-amazonaws.com", &e), 0);
	assert_false(e.is_aws);
}

static void
check_target(const char *endpoint, const char *bucket, const char *key,
    int style, const char *want)
{
	struct endpoint e;
	struct url_target t;
	char text[4096];

	assert_int_equal(url_parse_endpoint(endpoint, &e), 0);
	assert_int_equal(url_target_init(&t, &e, bucket, key, style), 0);
	(void)snprintf(text, sizeof(text), "%s|%s%s", t.host, t.base, t.path);
	assert_string_equal(text, want);
	url_target_fini(&t);
	assert_null(t.host);
}

static void
test_target(void **state)
{
	static const char aws[] = "https://s3.eu-west-1.amazonaws.com";

	(void)state;
	check_target(aws, "pail", "a//../b c", -1,
	    "pail.s3.eu-west-1.amazonaws.com|"
	    "https://pail.s3.eu-west-1.amazonaws.com/a//../b%20c");
	check_target(aws, "pail", NULL, -1,
	    "pail.s3.eu-west-1.amazonaws.com|"
	    "https://pail.s3.eu-west-1.amazonaws.com/");
	/* No certificate covers these, no DNS has those. */
	check_target(aws, "my.pail", "k", 0,
	    "s3.eu-west-1.amazonaws.com|"
	    "https://s3.eu-west-1.amazonaws.com/my.pail/k");
	check_target(aws, "My_Pail", NULL, 0,
	    "s3.eu-west-1.amazonaws.com|"
	    "https://s3.eu-west-1.amazonaws.com/My_Pail");
	check_target("http://h.org:81/pre", "my.pail", "k", 0,
	    "my.pail.h.org:81|http://my.pail.h.org:81/pre/k");
	check_target(
	    "http://h.org", "pail", "k", -1, "h.org|http://h.org/pail/k");
	check_target(
	    "http://h.org", "pail", "/k", 1, "h.org|http://h.org/pail//k");
	check_target("http://127.0.0.1:9000", "pail", "k", 0,
	    "127.0.0.1:9000|http://127.0.0.1:9000/pail/k");
	check_target("http://[::1]:9000", "pail", "k", 0,
	    "[::1]:9000|http://[::1]:9000/pail/k");
}

static void
test_target_refused(void **state)
{
	static const char *const bad[] = { "", "a/b", "a?b", "..", ".a", "a b",
		"a\n" };
	struct endpoint e;
	struct url_target t;
	char key[1026];

	(void)state;
	assert_int_equal(url_parse_endpoint("http://h", &e), 0);
	for (size_t i = 0; i < LENGTH(bad); i++) {
		assert_false(url_is_bucket_name(bad[i]));
		assert_int_equal(
		    url_target_init(&t, &e, bad[i], "k", -1), -EINVAL);
	}
	assert_int_equal(url_target_init(&t, &e, "b", "", -1), -EINVAL);
	memset(key, 0xff, sizeof(key));
	key[1025] = '\0';
	assert_int_equal(url_target_init(&t, &e, "b", key, -1), -EINVAL);
	key[1024] = '\0';
	assert_int_equal(url_target_init(&t, &e, "b", key, -1), 0);
	assert_int_equal(strlen(t.path), 3 + 3 * 1024);
	url_target_fini(&t);
}

static void
test_copy_source(void **state)
{
	struct buf b = BUF_INIT(1000);

	(void)state;
	assert_int_equal(url_copy_source(&b, "pail", "a/b?c\n", NULL), 0);
	assert_string_equal(buf_str(&b), "pail/a/b%3Fc%0A");
	buf_clear(&b);
	assert_int_equal(url_copy_source(&b, "pail", "k", "v+/="), 0);
	assert_string_equal(buf_str(&b), "pail/k?versionId=v%2B%2F%3D");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_aws),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_target_refused),
		cmocka_unit_test(test_copy_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
