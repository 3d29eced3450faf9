/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_request.c - tests of the client against a server that means no good.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>

#include "s3/base/crc.h"
#include "s3/base/wait.h"
#include "tests/unit/s3_client.h"

#define OK(length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n"

static char sunk[4096];
static uint64_t sunk_len;

static int
sink(void *arg, uint64_t off, const void *data, size_t len)
{
	(void)arg;
	assert_int_equal(off, sunk_len);
	assert_true(off + len <= sizeof(sunk));
	memcpy(sunk + off, data, len);
	sunk_len += len;
	return 0;
}

/* Add an answer with ${body} as XML. */
static void
add_xml(const char *status, const char *extra, const char *body)
{
	char *text;

	assert_true(asprintf(&text,
			"HTTP/1.1 %s\r\n%sx-amz-request-id: RID\r\n"
			"Content-Length: %zu\r\n\r\n%s",
			status, extra, strlen(body), body) > 0);
	stub_add(&stub, STUB_KEEP, text);
	free(text);
}

static void
add_error(const char *status, const char *code, const char *more)
{
	char body[512];

	(void)snprintf(body, sizeof(body),
	    "<?xml version=\"1.0\"?><Error><Code>%s</Code>"
	    "<Message>msg</Message>%s</Error>",
	    code, more);
	add_xml(status, "", body);
}

static int
setup(void **state)
{
	(void)state;
	client_open(5, true);
	sunk_len = 0;
	return 0;
}

static int
run(enum s3_kind kind, const char *key)
{
	s3_call_init(&call, kind);
	call.key = key;
	call.sink = sink;
	return s3_run(s3, &call, NULL);
}

static int
rerun(void)
{
	sunk_len = 0;
	return s3_run(s3, &call, NULL);
}

/* The value of a header of request ${i} begins with ${value}. */
static void
assert_sent(unsigned i, const char *name, const char *value)
{
	const char *head = stub_request(&stub, i);
	char line[256];

	(void)snprintf(line, sizeof(line), "\r\n%s: %s", name, value);
	if (strcasestr(head, line) == NULL)
		fail_msg("no \"%s: %s\" in:\n%s", name, value, head);
}

static void
test_a_short_body_goes_on_pinned(void **state)
{
	(void)state;
	stub_add(&stub, STUB_CLOSE,
	    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"e1\"\r\n\r\n"
	    "0123");
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 206 Partial\r\nContent-Length: 6\r\nETag: \"e1\"\r\n"
	    "Content-Range: bytes 4-9/10\r\n\r\n456789");
	assert_int_equal(run(S3_GET_OBJECT, "k"), 0);
	assert_int_equal(sunk_len, 10);
	assert_memory_equal(sunk, "0123456789", 10);
	assert_int_equal(call.received, 10);
	assert_int_equal(call.object.size, 10);
	assert_int_equal(call.result.attempts, 2);
	assert_null(strcasestr(stub_request(&stub, 1), "If-Match"));
	assert_sent(2, "If-Match", "\"e1\"\r\n");
	assert_sent(2, "Range", "bytes=4-9\r\n");
}

static void
test_without_an_etag_there_is_no_rest(void **state)
{
	(void)state;
	stub_add(&stub, STUB_CLOSE,
	    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123");
	assert_int_equal(run(S3_GET_OBJECT, "k"), -EIO);
	assert_int_equal(call.result.attempts, 1);
	assert_int_equal(sunk_len, 4);
}

static void
test_any_version_is_one_version(void **state)
{
	(void)state;
	stub_add(&stub, STUB_CLOSE,
	    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"e1\"\r\n\r\n"
	    "0123");
	add_error("412 Precondition Failed", "PreconditionFailed", "");
	s3_call_init(&call, S3_GET_OBJECT);
	call.key = "k";
	call.if_match = "*";
	assert_int_equal(s3_run(s3, &call, NULL), -ESTALE);
	assert_sent(1, "If-Match", "*\r\n");
	assert_sent(2, "If-Match", "\"e1\"\r\n");
}

static void
test_a_size_is_said_or_asked_again(void **state)
{
	(void)state;
	stub_add(&stub, STUB_CLOSE, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\n");
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 77\r\n\r\n");
	assert_int_equal(run(S3_HEAD_OBJECT, "k"), 0);
	assert_int_equal(call.object.size, 77);
	assert_int_equal(call.result.attempts, 2);
}

static void
test_what_follows_is_of_the_same_version(void **state)
{
	static const char *const rest[] = {
		"HTTP/1.1 206 Partial\r\nContent-Length: 6\r\nETag: \"e2\"\r\n"
		"Content-Range: bytes 4-9/10\r\n\r\n456789",
		"HTTP/1.1 206 Partial\r\nContent-Length: 6\r\n"
		"Content-Range: bytes 4-9/11\r\n\r\n456789",
	};

	(void)state;
	for (int i = 0; i < 2; i++) {
		stub_add(&stub, STUB_CLOSE,
		    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
		    "ETag: \"e1\"\r\n\r\n0123");
		stub_add(&stub, STUB_KEEP, rest[i]);
		sunk_len = 0;
		assert_int_equal(run(S3_GET_OBJECT, "k"), -ESTALE);
		assert_int_equal(sunk_len, 4);
		s3_call_fini(&call);
	}
}

/* Each is refused before a byte reaches the sink, and asked for again. */
static void
test_answers_to_a_range_that_are_wrong(void **state)
{
	static const char *const bad[] = {
		"HTTP/1.1 206 P\r\nContent-Length: 4\r\n"
		"Content-Range: bytes 3-6/10\r\n\r\nxxxx",
		"HTTP/1.1 206 P\r\nContent-Length: 5\r\n"
		"Content-Range: bytes 2-6/10\r\n\r\nxxxxx",
		"HTTP/1.1 206 P\r\nContent-Length: 3\r\n"
		"Content-Range: bytes 2-4/10\r\n\r\nxxx",
		"HTTP/1.1 206 P\r\nContent-Length: 9\r\n"
		"Content-Range: bytes 2-5/10\r\n\r\nxxxxxxxxx",
		"HTTP/1.1 206 P\r\nContent-Length: 4\r\n\r\nxxxx",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxxxxxxxxxx",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"4\r\nxxxx\r\n0\r\n\r\n",
		"HTTP/1.1 204 No\r\n\r\n",
	};

	(void)state;
	s3_call_init(&call, S3_GET_OBJECT);
	call.key = "k";
	call.sink = sink;
	call.off = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		s3_call_init(&call, S3_GET_OBJECT);
		call.key = "k";
		call.off = 2;
		call.len = 4;
		stub_add(&stub, STUB_CLOSE, bad[i]);
		stub_add(&stub, STUB_KEEP,
		    "HTTP/1.1 206 P\r\nContent-Length: 4\r\n"
		    "Content-Range: bytes 2-5/10\r\n\r\n2345");
		assert_int_equal(s3_run(s3, &call, NULL), 0);
		assert_int_equal(call.received, 4);
		assert_int_equal(call.result.attempts, 2);
		s3_call_fini(&call);
	}
}

static void
test_more_bytes_than_asked_for_are_refused(void **state)
{
	(void)state;
	stub_add(&stub, STUB_CLOSE,
	    "HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n"
	    "Content-Range: bytes 0-3/4\r\n\r\n"
	    "4\r\nxxxx\r\n4\r\nmore\r\n0\r\n\r\n");
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 206 P\r\nContent-Length: 4\r\n"
	    "Content-Range: bytes 0-3/4\r\n\r\n0123");
	s3_call_init(&call, S3_GET_OBJECT);
	call.key = "k";
	call.len = 4;
	call.sink = sink;
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(call.result.attempts, 2);
	assert_int_equal(sunk_len, 4);
	assert_memory_equal(sunk, "0123", 4);
}

static void
test_a_checksum_is_verified(void **state)
{
	(void)state;
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
	    "x-amz-checksum-crc32c: 4waSgw==\r\n"
	    "x-amz-checksum-type: FULL_OBJECT\r\n\r\n123456789");
	assert_int_equal(run(S3_GET_OBJECT, "k"), 0);
	assert_sent(1, "x-amz-checksum-mode", "ENABLED\r\n");
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
	    "x-amz-checksum-crc32c: 4waSgw==\r\n"
	    "x-amz-checksum-type: FULL_OBJECT\r\n\r\n123456780");
	assert_int_equal(rerun(), -EIO);
}

static void
test_the_clock_is_corrected(void **state)
{
	/* In the middle of a minute, which is compared below. */
	time_t then = time(NULL) / 60 * 60 + 30 + 7200;
	struct tm tm;
	char more[128];

	(void)state;
	(void)gmtime_r(&then, &tm);
	(void)strftime(more, sizeof(more),
	    "<ServerTime>%Y-%m-%dT%H:%M:%SZ</ServerTime>", &tm);
	add_error("403 Forbidden", "RequestTimeTooSkewed", more);
	add_xml("200 OK", "", "");
	assert_int_equal(run(S3_GET_OBJECT, "k"), 0);
	assert_int_equal(call.result.attempts, 2);
	(void)strftime(more, sizeof(more), "%Y%m%dT%H%M", &tm);
	assert_sent(2, "x-amz-date", more);
	/* Once: the server may not make us try for ever. */
	(void)gmtime_r(&then, &tm);
	add_error("403 Forbidden", "RequestTimeTooSkewed",
	    "<ServerTime>2031-01-01T00:00:00Z</ServerTime>");
	add_error("403 Forbidden", "RequestTimeTooSkewed",
	    "<ServerTime>2034-01-01T00:00:00Z</ServerTime>");
	s3_call_fini(&call);
	s3_call_init(&call, S3_GET_OBJECT);
	call.key = "k";
	assert_int_equal(s3_run(s3, &call, NULL), -EACCES);
	assert_int_equal(call.result.attempts, 2);
}

static void
test_the_region_is_corrected_and_remembered(void **state)
{
	(void)state;
	add_error("400 Bad Request", "AuthorizationHeaderMalformed",
	    "<Region>eu-west-3</Region>");
	add_xml("200 OK", "", "");
	assert_int_equal(run(S3_GET_OBJECT, "k"), 0);
	assert_non_null(strstr(stub_request(&stub, 1), "/us-east-1/s3/"));
	assert_non_null(strstr(stub_request(&stub, 2), "/eu-west-3/s3/"));
	assert_string_equal(s3_region(s3), "eu-west-3");
	s3_call_fini(&call);
	/* An answer to HEAD has only its header. */
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 301 Moved\r\nx-amz-bucket-region: ap-south-1\r\n"
	    "Content-Length: 0\r\n\r\n");
	add_xml("200 OK", "ETag: \"a\"\r\n", "");
	assert_int_equal(run(S3_HEAD_OBJECT, "k"), 0);
	assert_non_null(strstr(stub_request(&stub, 4), "/ap-south-1/s3/"));
	s3_call_fini(&call);
	/* A name that is none is not believed. */
	add_error("400 Bad Request", "AuthorizationHeaderMalformed",
	    "<Region>evil/../x y</Region>");
	assert_int_equal(run(S3_GET_OBJECT, "k"), -EINVAL);
	assert_string_equal(s3_region(s3), "ap-south-1");
}

static void
test_expired_keys_are_fetched_anew(void **state)
{
	(void)state;
	add_error("400 Bad Request", "ExpiredToken", "");
	add_xml("200 OK", "", "");
	(void)setenv("AWS_ACCESS_KEY_ID", "AKID2", 1);
	assert_int_equal(run(S3_DELETE_OBJECT, "k"), 0);
	assert_non_null(strstr(stub_request(&stub, 1), "=AKID/"));
	assert_non_null(strstr(stub_request(&stub, 2), "=AKID2/"));
	s3_call_fini(&call);
	add_error("400 Bad Request", "ExpiredToken", "");
	add_error("400 Bad Request", "ExpiredToken", "");
	assert_int_equal(run(S3_DELETE_OBJECT, "k"), -EACCES);
	assert_int_equal(call.result.attempts, 2);
	assert_string_equal(call.result.code, "ExpiredToken");
}

static void
test_retry_after_is_a_least(void **state)
{
	int64_t start = clock_mono_ms(&clock_system);

	(void)state;
	add_xml("503 Slow Down", "x-amz-retry-after: 700\r\n", "");
	add_xml("204 No Content", "", "");
	assert_int_equal(run(S3_DELETE_OBJECT, "k"), 0);
	assert_true(clock_mono_ms(&clock_system) - start >= 690);
	assert_false(call.result.unsure);
}

static void
test_conflicts_are_tried_again(void **state)
{
	(void)state;
	add_error("409 Conflict", "ConditionalRequestConflict", "");
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 200 OK\r\nETag: \"n\"\r\nContent-Length: 0\r\n\r\n");
	s3_call_init(&call, S3_PUT_OBJECT);
	call.key = "k";
	call.body = "abc";
	call.body_len = 3;
	call.if_none_match = "*";
	call.crc32c = crc32c(0, "abc", 3);
	call.has_crc32c = true;
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(call.result.attempts, 2);
	assert_string_equal(call.object.etag, "\"n\"");
	assert_sent(1, "If-None-Match", "*\r\n");
	assert_sent(1, "x-amz-content-sha256", "UNSIGNED-PAYLOAD\r\n");
	assert_sent(1, "x-amz-checksum-crc32c", "Nks/tw==\r\n");
}

static void
test_an_own_412_is_unsure(void **state)
{
	(void)state;
	stub_add(&stub, STUB_RESET, "");
	add_error("412 Precondition Failed", "PreconditionFailed", "");
	s3_call_init(&call, S3_PUT_OBJECT);
	call.key = "k";
	call.body = "abc";
	call.body_len = 3;
	call.if_none_match = "*";
	assert_int_equal(s3_run(s3, &call, NULL), -ESTALE);
	assert_true(call.result.unsure);
	assert_string_equal(call.result.code, "PreconditionFailed");
	assert_string_equal(call.result.request_id, "RID");
	/* Without a lost answer before it, it is sure. */
	add_error("412 Precondition Failed", "PreconditionFailed", "");
	assert_int_equal(rerun(), -ESTALE);
	assert_false(call.result.unsure);
	/* 503: the server did nothing. */
	add_xml("503 Slow Down", "", "");
	add_error("412 Precondition Failed", "PreconditionFailed", "");
	assert_int_equal(rerun(), -ESTALE);
	assert_false(call.result.unsure);
}

static void
test_an_abort_that_was_lost_is_done(void **state)
{
	(void)state;
	stub_add(&stub, STUB_CLOSE, "");
	add_error("404 Not Found", "NoSuchUpload", "");
	s3_call_init(&call, S3_ABORT_MULTIPART_UPLOAD);
	call.key = "k";
	call.upload_id = "u";
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	add_error("404 Not Found", "NoSuchUpload", "");
	assert_int_equal(rerun(), -ENOENT);
}

static void
test_200_is_no_promise(void **state)
{
	(void)state;
	s3_call_init(&call, S3_COPY_OBJECT);
	call.key = "k";
	call.source_key = "a b";
	add_error("200 OK", "InternalError", "");
	add_xml("200 OK", "", "  \n <Copy");
	add_xml("200 OK", "", "");
	add_xml("200 OK", "",
	    "   \n<?xml version=\"1.0\"?><CopyObjectResult><ETag>"
	    "\"c\"</ETag></CopyObjectResult>");
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(call.result.attempts, 4);
	assert_string_equal(call.object.etag, "\"c\"");
	assert_sent(1, "x-amz-copy-source", "");
	assert_non_null(strstr(stub_request(&stub, 1), "a%20b"));
	s3_call_fini(&call);
	s3_call_init(&call, S3_COPY_OBJECT);
	call.key = "k";
	call.source_key = "a";
	add_error("200 OK", "AccessDenied", "");
	assert_int_equal(s3_run(s3, &call, NULL), -EACCES);
	assert_int_equal(call.result.status, 200);
}

static void
test_an_error_page_of_a_proxy(void **state)
{
	char *page = malloc(200001);

	(void)state;
	memset(page, 'x', 200000);
	page[200000] = '\0';
	memcpy(page, "<html>", 6);
	add_xml("502 Bad Gateway", "", page);
	add_xml("204 No Content", "", "");
	assert_int_equal(run(S3_DELETE_OBJECT, "k"), 0);
	s3_call_fini(&call);
	add_xml("403 Forbidden", "", page);
	assert_int_equal(run(S3_DELETE_OBJECT, "k"), -EACCES);
	assert_int_equal(call.result.status, 403);
	free(page);
}

static void
test_all_pages_of_parts(void **state)
{
	(void)state;
	add_xml("200 OK", "",
	    "<ListPartsResult><IsTruncated>true</IsTruncated>"
	    "<NextPartNumberMarker>1</NextPartNumberMarker><Part>"
	    "<PartNumber>1</PartNumber><ETag>\"a\"</ETag><Size>5</Size>"
	    "</Part></ListPartsResult>");
	add_error("500 Internal", "InternalError", "");
	add_xml("200 OK", "",
	    "<ListPartsResult><IsTruncated>false</IsTruncated><Part>"
	    "<PartNumber>7</PartNumber><ETag>\"b\"</ETag><Size>6</Size>"
	    "</Part></ListPartsResult>");
	s3_call_init(&call, S3_LIST_PARTS);
	call.key = "k";
	call.upload_id = "u";
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(call.ret_parts_count, 2);
	assert_int_equal(call.ret_parts[1].number, 7);
	assert_string_equal(call.ret_parts[0].etag, "\"a\"");
	assert_null(strstr(stub_request(&stub, 1), "part-number-marker"));
	assert_non_null(strstr(stub_request(&stub, 3), "part-number-marker=1"));
}

static void
test_keys_that_xml_cannot_carry_go_singly(void **state)
{
	struct s3_delete deletes[] = { { .key = "a", .err = 1 },
		{ .key = "b\x01", .err = 1 }, { .key = "c", .err = 1 },
		{ .key = "d\x02", .if_match = "\"e\"", .err = 1 } };

	(void)state;
	add_xml("200 OK", "",
	    "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>c</Key>"
	    "<Code>AccessDenied</Code></Error></DeleteResult>");
	add_xml("204 No Content", "", "");
	add_error("412 Precondition Failed", "PreconditionFailed", "");
	s3_call_init(&call, S3_DELETE_OBJECTS);
	call.deletes = deletes;
	call.deletes_count = 4;
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(deletes[0].err, 0);
	assert_int_equal(deletes[1].err, 0);
	assert_int_equal(deletes[2].err, -EACCES);
	assert_int_equal(deletes[3].err, -ESTALE);
	assert_int_equal(
	    strncmp(stub_request(&stub, 1), "POST /bucket?delete=", 20), 0);
	assert_int_equal(
	    strncmp(stub_request(&stub, 2), "DELETE /bucket/b%01 ", 20), 0);
	assert_sent(3, "If-Match", "\"e\"\r\n");
}

static void
test_broken_headers_are_not_sent(void **state)
{
	struct s3_meta meta = { .name = strdup("n"),
		.value = strdup("a\r\nx-evil: 1") };

	(void)state;
	s3_call_init(&call, S3_PUT_OBJECT);
	call.key = "k";
	call.meta = &meta;
	call.meta_count = 1;
	assert_int_equal(s3_run(s3, &call, NULL), -EINVAL);
	assert_int_equal(call.result.attempts, 0);
	assert_int_equal(stub_count(&stub), 1);
	free(meta.name);
	free(meta.value);
}

static void
test_an_interrupt_before_the_start(void **state)
{
	struct waiter w;

	(void)state;
	waiter_init(&w);
	waiter_interrupt(&w);
	s3_call_init(&call, S3_HEAD_OBJECT);
	call.key = "k";
	assert_int_equal(s3_run(s3, &call, &w), -EINTR);
	waiter_fini(&w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, client_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_short_body_goes_on_pinned),
		TEST(test_without_an_etag_there_is_no_rest),
		TEST(test_any_version_is_one_version),
		TEST(test_a_size_is_said_or_asked_again),
		TEST(test_what_follows_is_of_the_same_version),
		TEST(test_answers_to_a_range_that_are_wrong),
		TEST(test_more_bytes_than_asked_for_are_refused),
		TEST(test_a_checksum_is_verified),
		TEST(test_the_clock_is_corrected),
		TEST(test_the_region_is_corrected_and_remembered),
		TEST(test_expired_keys_are_fetched_anew),
		TEST(test_retry_after_is_a_least),
		TEST(test_conflicts_are_tried_again),
		TEST(test_an_own_412_is_unsure),
		TEST(test_an_abort_that_was_lost_is_done),
		TEST(test_200_is_no_promise),
		TEST(test_an_error_page_of_a_proxy),
		TEST(test_all_pages_of_parts),
		TEST(test_keys_that_xml_cannot_carry_go_singly),
		TEST(test_broken_headers_are_not_sent),
		TEST(test_an_interrupt_before_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
