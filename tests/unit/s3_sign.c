/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_sign.c - tests of s3/sign.c and s3/date.c.
 *
 * The requests are those of "Signature Calculations for the Authorization
 * Header" in the S3 API reference; tests/sys/test_sign.py compares thousands
 * of others with botocore.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/sign.h"
#include "s3/url.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define NS        INT64_C(1000000000)
#define TIME_S    INT64_C(1369353600) /* 20130524T000000Z */
#define HOST                                                                   \
	{                                                                      \
		"Host", "examplebucket.s3.amazonaws.com"                       \
	}
#define CREDENTIAL                                                             \
	"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524"            \
	"/us-east-1/s3/aws4_request, SignedHeaders="

static const struct sign_keys keys = {
	.access = "AKIAIOSFODNN7EXAMPLE",
	.secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};

static struct sign_request
request(const char *method, const char *path, const char *query)
{
	static const struct sign_header headers[] = { HOST };

	return (struct sign_request){
		.method = method,
		.path = path,
		.query = query,
		.headers = headers,
		.headers_count = 1,
		.region = "us-east-1",
		.time_s = TIME_S,
	};
}

static void
check(const struct sign_request *rq, const char *want)
{
	struct sign_cache cache = SIGN_CACHE_INIT;
	struct signature sig;

	assert_int_equal(sign_request(rq, &keys, &cache, &sig), 0);
	assert_string_equal(sig.date, "20130524T000000Z");
	assert_string_equal(sig.authorization, want);
	sign_fini(&sig);
	sign_cache_fini(&cache);
}

static void
test_get_object(void **state)
{
	static const struct sign_header headers[] = { { "Range", "bytes=0-9" },
		HOST };
	struct sign_request rq = request("GET", "/test.txt", NULL);

	(void)state;
	rq.headers = headers;
	rq.headers_count = 2;
	check(&rq,
	    CREDENTIAL "host;range;x-amz-content-sha256;x-amz-date, Signature="
		       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c"
		       "6036bdb41");
}

static void
test_put_object(void **state)
{
	static const struct sign_header headers[] = {
		HOST,
		{ "date", "  Fri, 24 May\t2013 00:00:00   GMT " },
		{ "X-AMZ-Storage-Class", "REDUCED_REDUNDANCY" },
	};
	struct sign_request rq = request("PUT", "/test%24file.text", "");
	char sum[SIGN_HEX_SIZE];

	(void)state;
	rq.headers = headers;
	rq.headers_count = 3;
	assert_int_equal(sign_sha256("Welcome to Amazon S3.", 21, sum), 0);
	assert_string_equal(sum,
	    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
	rq.payload = sum;
	check(&rq,
	    CREDENTIAL "date;host;x-amz-content-sha256;x-amz-date;"
		       "x-amz-storage-class, Signature="
		       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af"
		       "0ece108bd");
}

static void
test_bucket_requests(void **state)
{
	static const struct url_param lifecycle = { "lifecycle", NULL };
	static const struct url_param list[] = { { "prefix", "J" },
		{ "max-keys", "2" } };
	struct buf b = BUF_INIT(100);
	struct sign_request rq = request("GET", "/", NULL);

	(void)state;
	assert_int_equal(url_query(&b, &lifecycle, 1), 0);
	rq.query = buf_str(&b);
	check(&rq,
	    CREDENTIAL "host;x-amz-content-sha256;x-amz-date, Signature="
		       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0"
		       "136783543");
	buf_clear(&b);
	assert_int_equal(url_query(&b, list, 2), 0);
	rq.query = buf_str(&b);
	check(&rq,
	    CREDENTIAL "host;x-amz-content-sha256;x-amz-date, Signature="
		       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711"
		       "ef69dc6f7");
	buf_fini(&b);
}

static char *
sign_with(struct sign_cache *cache, const char *secret, const char *region,
    int64_t time_s)
{
	struct sign_request rq = request("GET", "/k", NULL);
	struct sign_keys k = { .access = "A", .secret = secret };
	struct signature sig;

	rq.region = region;
	rq.time_s = time_s;
	assert_int_equal(sign_request(&rq, &k, cache, &sig), 0);
	return sig.authorization;
}

/* A cache gives what none gives, whatever changed since. */
static void
test_cache(void **state)
{
	static const struct {
		const char *secret;
		const char *region;
		int64_t time_s;
	} uses[] = {
		{ "s", "eu-west-1", TIME_S },
		{ "s", "eu-west-1", TIME_S + 5 },
		{ "s", "eu-west-1", TIME_S + 86400 },
		{ "s", "us-east-1", TIME_S + 86400 },
		{ "t", "us-east-1", TIME_S + 86400 },
		{ "s", "eu-west-1", TIME_S },
	};
	struct sign_cache kept = SIGN_CACHE_INIT;
	uint8_t key[32];
	char *a, *b;

	(void)state;
	for (size_t i = 0; i < LENGTH(uses); i++) {
		struct sign_cache fresh = SIGN_CACHE_INIT;

		memcpy(key, kept.key, sizeof(key));
		a = sign_with(
		    &kept, uses[i].secret, uses[i].region, uses[i].time_s);
		b = sign_with(
		    &fresh, uses[i].secret, uses[i].region, uses[i].time_s);
		assert_string_equal(a, b);
		if (i == 1)
			assert_memory_equal(key, kept.key, sizeof(key));
		else
			assert_memory_not_equal(key, kept.key, sizeof(key));
		free(a);
		free(b);
	}
	/* It is used: a wrong key in it makes a wrong signature. */
	a = sign_with(&kept, "s", "eu-west-1", TIME_S);
	kept.key[0] ^= 1;
	b = sign_with(&kept, "s", "eu-west-1", TIME_S);
	assert_string_not_equal(a, b);
	free(a);
	free(b);
	sign_cache_fini(&kept);
	memset(key, 0, sizeof(key));
	assert_memory_equal(kept.key, key, sizeof(key));
	assert_false(kept.is_set);
}

static void
test_refused(void **state)
{
	static const struct sign_header bad[] = {
		{ "x-amz-meta-a", "b\r\nx-evil: 1" },
		{ "x-amz-meta-a\n", "b" },
		{ "a:b", "c" },
		{ "", "c" },
		{ "X-Amz-Date", "20130524T000000Z" },
		{ "x-amz-content-sha256", "x" },
		{ "x-amz-security-token", "x" },
		{ "Authorization", "x" },
	};
	struct sign_header headers[2] = { HOST, HOST };
	struct sign_request rq = request("GET", "/", NULL);
	struct sign_cache cache = SIGN_CACHE_INIT;
	struct signature sig = { .authorization = NULL };

	(void)state;
	rq.headers = headers;
	rq.headers_count = 2;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		headers[1] = bad[i];
		assert_int_equal(
		    sign_request(&rq, &keys, &cache, &sig), -EINVAL);
	}
	headers[0] = headers[1] = (struct sign_header){ "range", "x" };
	assert_int_equal(sign_request(&rq, &keys, &cache, &sig), -EINVAL);
	rq.headers_count = 0;
	assert_int_equal(sign_request(&rq, &keys, &cache, &sig), -EINVAL);
	assert_null(sig.authorization);
}

static void
test_canonical(void **state)
{
	static const struct sign_header headers[] = {
		{ "X-Amz-Meta-B", "two" },
		HOST,
		{ "x-amz-meta-a", " a   b " },
		{ "x-amz-meta-b", "one" },
	};
	struct sign_keys session = { "A", "S", "TOKEN" };
	struct sign_request rq = request("PUT", "/a//b/../c", "x=1");
	char *text, *names;

	(void)state;
	rq.headers = headers;
	rq.headers_count = 4;
	rq.payload = SIGN_UNSIGNED;
	assert_int_equal(sign_canonical(&rq, &session, &text, &names), 0);
	assert_string_equal(names,
	    "host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-meta-b;"
	    "x-amz-security-token");
	assert_string_equal(text,
	    "PUT\n/a//b/../c\nx=1\nhost:examplebucket.s3.amazonaws.com\n"
	    "x-amz-content-sha256:UNSIGNED-PAYLOAD\n"
	    "x-amz-date:20130524T000000Z\nx-amz-meta-a:a b\n"
	    "x-amz-meta-b:two,one\nx-amz-security-token:TOKEN\n\n"
	    "host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-meta-b;"
	    "x-amz-security-token\nUNSIGNED-PAYLOAD");
	free(text);
	free(names);
}

static void
test_hash(void **state)
{
	char one[SIGN_HEX_SIZE], pieces[SIGN_HEX_SIZE];
	struct sign_hash *h;

	(void)state;
	assert_int_equal(sign_sha256("", 0, one), 0);
	assert_string_equal(one, SIGN_EMPTY);
	assert_int_equal(sign_sha256("abcdef", 6, one), 0);
	assert_int_equal(sign_hash_new(&h), 0);
	assert_int_equal(sign_hash_add(h, "ab", 2), 0);
	assert_int_equal(sign_hash_add(h, "", 0), 0);
	assert_int_equal(sign_hash_add(h, "cdef", 4), 0);
	assert_int_equal(sign_hash_final(h, pieces), 0);
	assert_string_equal(one, pieces);
	sign_hash_free(h);
	sign_hash_free(NULL);
}

static void
test_dates(void **state)
{
	static const char *const bad[] = { "", "2013", "2013-05-24",
		"2013-05-24T00:00:00", "2013-05-24T00:00:00.Z",
		"2013-02-29T00:00:00Z", "2013-13-01T00:00:00Z",
		"2013-05-24T24:00:00Z", "2013-05-24T00:60:00Z",
		"2013-05-24T00:00:00Zx", "1969-12-31T23:59:59Z",
		"9999-05-24T00:00:00Z", "2013-05-24T00:00:00+9:00",
		"Fri, 24 May 2013 00:00:00 GMT" };
	static const char *const bad_http[] = { "", "Fri",
		"Fri, 24 may 2013 00:00:00 GMT", "24 May 2013 00:00:00 GMT",
		"Fri, 24 May 2013 00:00:00", "Fri, 24 May 2013 00:00:00 CET",
		"Fri, 31 Jun 2013 00:00:00 GMT", "2013-05-24T00:00:00Z" };
	char text[DATE_AMZ_SIZE];
	int64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(date_parse_iso(bad[i], &ns), -EINVAL);
	for (size_t i = 0; i < LENGTH(bad_http); i++)
		assert_int_equal(date_parse_http(bad_http[i], &ns), -EINVAL);
	assert_int_equal(ns, 7);
	assert_int_equal(date_parse_iso("2013-05-24T00:00:00.250Z", &ns), 0);
	assert_int_equal(ns, TIME_S * NS + NS / 4);
	assert_int_equal(
	    date_parse_iso("2013-05-24T02:30:00.1234567899+02:30", &ns), 0);
	assert_int_equal(ns, TIME_S * NS + 123456789);
	assert_int_equal(date_parse_iso("20130523T235959Z", &ns), 0);
	assert_int_equal(ns, (TIME_S - 1) * NS);
	assert_int_equal(date_parse_iso("2024-02-29T12:00:00Z", &ns), 0);
	assert_int_equal(ns, INT64_C(1709208000) * NS);
	assert_int_equal(
	    date_parse_http("Fri, 24 May 2013 00:00:00 GMT", &ns), 0);
	assert_int_equal(ns, TIME_S * NS);
	date_format_amz(TIME_S, text);
	assert_string_equal(text, "20130524T000000Z");
	date_format_amz(-5, text);
	assert_string_equal(text, "19700101T000000Z");
	date_format_amz(INT64_MAX, text);
	assert_string_equal(text, "99991231T235959Z");
}

/* Each day from 1970 to 2100, there and back. */
static void
test_date_round_trip(void **state)
{
	char text[DATE_AMZ_SIZE];
	int64_t ns;

	(void)state;
	for (int64_t t = 3599; t < INT64_C(4102444800); t += 86399) {
		date_format_amz(t, text);
		assert_int_equal(date_parse_iso(text, &ns), 0);
		assert_int_equal(ns, t * NS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_object),
		cmocka_unit_test(test_put_object),
		cmocka_unit_test(test_bucket_requests),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_date_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
