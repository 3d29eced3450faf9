/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_answer.c - tests of what the client makes of an answer that came whole,
 * but says what cannot be: another checksum, or a size that is none.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/s3_client.h"

#define HEAD(len) "HTTP/1.1 200 OK\r\nContent-Length: " len "\r\n"
#define FULL      "x-amz-checksum-type: FULL_OBJECT\r\n\r\n"
#define CRC32C    "x-amz-checksum-crc32c: 4waSgw==\r\n"
#define CRC64     "x-amz-checksum-crc64nvme: rosUhgp5mIg=\r\n"

static int
setup(void **state)
{
	(void)state;
	client_open(5, true);
	return 0;
}

static int
setup_without(void **state)
{
	(void)state;
	client_open(5, false);
	return 0;
}

/* GET ${len} bytes (0: all) of "k", which is answered by ${answer}. */
static int
get(const char *answer, uint64_t len)
{
	stub_add(&stub, STUB_KEEP, answer);
	s3_call_fini(&call);
	s3_call_init(&call, S3_GET_OBJECT);
	call.key = "k";
	call.len = len;
	return s3_run(s3, &call, NULL);
}

static void
test_a_checksum_is_compared(void **state)
{
	(void)state;
	assert_int_equal(get(HEAD("9") CRC32C FULL "123456789", 0), 0);
	assert_false(call.result.is_corrupt);
	assert_non_null(
	    strstr(stub_request(&stub, 1), "x-amz-checksum-mode: ENABLED"));
	assert_null(strstr(stub_request(&stub, 1), "Range:"));
	assert_int_equal(get(HEAD("9") CRC32C FULL "123456780", 0), -EIO);
	assert_true(call.result.is_corrupt);
	/* Whoever has the bytes must forget them first. */
	assert_int_equal(call.result.attempts, 1);
	assert_int_equal(get(HEAD("9") CRC64 FULL "123456789", 0), 0);
	assert_int_equal(get(HEAD("9") CRC64 FULL "023456789", 0), -EIO);
	assert_true(call.result.is_corrupt);
}

/* Also over two bodies, as a GET that was cut goes on. */
static void
test_a_checksum_of_two_bodies(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		stub_add(&stub, STUB_CLOSE,
		    HEAD("9") "ETag: \"e\"\r\n" CRC64 FULL "1234");
		assert_int_equal(get(i == 0 ? "HTTP/1.1 206 P\r\n"
					      "Content-Length: 5\r\n"
					      "ETag: \"e\"\r\n"
					      "Content-Range: bytes 4-8/9\r\n"
					      "\r\n56789"
					    : "HTTP/1.1 206 P\r\n"
					      "Content-Length: 5\r\n"
					      "ETag: \"e\"\r\n"
					      "Content-Range: bytes 4-8/9\r\n"
					      "\r\n56780",
				     0),
		    i == 0 ? 0 : -EIO);
		assert_int_equal(call.result.is_corrupt, i == 1);
	}
}

/* What says nothing of all the bytes is not compared with them. */
static void
test_no_checksum_of_the_whole(void **state)
{
	static const char *const whole[] = {
		HEAD("1") "x-amz-checksum-crc32c: 4waSgw==-2\r\n\r\nx",
		HEAD("1") CRC32C "x-amz-checksum-type: COMPOSITE\r\n\r\nx",
		HEAD("1") "ETag: \"0-2\"\r\n" CRC32C "\r\nx",
		HEAD("1") "x-amz-checksum-crc32c: ?\r\n\r\nx",
		HEAD("1") "\r\nx",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		assert_int_equal(get(whole[i], 0), 0);
	assert_int_equal(get("HTTP/1.1 206 P\r\nContent-Length: 1\r\n"
			     "Content-Range: bytes 0-0/9\r\n" CRC32C FULL "x",
			     1),
	    0);
}

static void
test_checksums_are_not_wanted(void **state)
{
	(void)state;
	assert_int_equal(get(HEAD("1") CRC32C FULL "x", 0), 0);
	assert_null(strstr(stub_request(&stub, 1), "x-amz-checksum-mode"));
}

static unsigned told; /* of take_more() */

static void
take_more(void *arg, const char *token)
{
	assert_ptr_equal(arg, &told);
	assert_string_equal(token, "next");
	told++;
}

static int
list(const char *body, unsigned count)
{
	char answer[512];

	(void)snprintf(answer, sizeof(answer),
	    "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
	    body);
	while (count-- > 0)
		stub_add(&stub, STUB_KEEP, answer);
	s3_call_fini(&call);
	s3_call_init(&call, S3_LIST_OBJECTS);
	call.more = take_more;
	call.arg = &told;
	return s3_run(s3, &call, NULL);
}

/* Truncated, it may be whole the next time; impossible, it is meant so. */
static void
test_an_impossible_listing_is_not_asked_for_long(void **state)
{
	static const char *const sizes[] = { "99999999999999999999999",
		"18446744073709551615", "9223372036854775808" };
	const char *cut = "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n"
			  "<ListBucketResult><Con";
	char body[256];

	(void)state;
	for (int i = 0; i < 3; i++) {
		(void)snprintf(body, sizeof(body),
		    "<ListBucketResult><Contents><Key>k</Key><Size>%s</Size>"
		    "</Contents></ListBucketResult>",
		    sizes[i]);
		assert_int_equal(list(body, 3), -EIO);
		assert_int_equal(call.result.attempts, 3);
		assert_int_equal(stub_count(&stub), 1 + 3 * (i + 1));
		assert_non_null(strstr(call.result.message, "Contents/Size"));
	}
	for (int i = 0; i < 4; i++)
		stub_add(&stub, STUB_KEEP, cut);
	assert_int_equal(list("<ListBucketResult/>", 1), 0);
	assert_int_equal(call.result.attempts, 5);
}

static void
list_page(const char *head)
{
	char body[256];

	(void)snprintf(body, sizeof(body),
	    "<ListBucketResult>%s<Contents><Key>k</Key></Contents>"
	    "</ListBucketResult>",
	    head);
	assert_int_equal(list(body, 1), 0);
}

#define YES  "<IsTruncated>true</IsTruncated>"
#define NO   "<IsTruncated>false</IsTruncated>"
#define NEXT "<NextContinuationToken>next</NextContinuationToken>"

/* That there is another page is told once, and only where there is. */
static void
test_that_a_listing_goes_on_is_told(void **state)
{
	const char *cut = "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"
			  "<ListBucketResult>" NEXT YES "<Con";

	(void)state;
	list_page(NO NEXT);
	list_page(NEXT NO);
	list_page(NO);
	assert_int_equal(told, 0);
	list_page(NEXT YES);
	assert_int_equal(told, 1);
	list_page(YES NEXT);
	assert_int_equal(told, 2);
	stub_add(&stub, STUB_CLOSE, cut);
	list_page(NEXT YES);
	assert_int_equal(call.result.attempts, 2);
	assert_int_equal(told, 3);
}

/* What has neither an ETag nor a time is no object, and without its metadata
 * ours would be taken for another's. */
static void
test_a_head_of_no_object_is_asked_for_again(void **state)
{
	(void)state;
	stub_add(&stub, STUB_KEEP,
	    HEAD("232") "Content-Type: application/xml\r\n\r\n");
	stub_add(&stub, STUB_KEEP,
	    HEAD("9223372036854775808") "ETag: \"e\"\r\n\r\n");
	stub_add(&stub, STUB_KEEP, HEAD("5") "ETag: \"e\"\r\n\r\n");
	s3_call_init(&call, S3_HEAD_OBJECT);
	call.key = "k";
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(call.object.size, 5);
	assert_int_equal(call.result.attempts, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, client_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_checksum_is_compared),
		TEST(test_a_checksum_of_two_bodies),
		TEST(test_no_checksum_of_the_whole),
		cmocka_unit_test_setup_teardown(
		    test_checksums_are_not_wanted, setup_without, client_close),
		TEST(test_an_impossible_listing_is_not_asked_for_long),
		TEST(test_that_a_listing_goes_on_is_told),
		TEST(test_a_head_of_no_object_is_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
