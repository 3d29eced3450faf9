/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_retry.c - tests of how often and how long a call is tried again.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/unit/s3_client.h"

#define TIMEOUT_S 2
#define SLACK_MS  1500
#define BUSY      "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n"
#define FAILED    "HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n"
#define RANGE     "HTTP/1.1 206 P\r\nContent-Length: 4\r\nContent-Range: bytes "

static int64_t start_ms;

static int
setup(void **state)
{
	(void)state;
	client_open(TIMEOUT_S, false);
	start_ms = clock_mono_ms(&clock_system);
	return 0;
}

static int64_t
took_ms(void)
{
	return clock_mono_ms(&clock_system) - start_ms;
}

static int
run(enum s3_kind kind)
{
	s3_call_init(&call, kind);
	call.key = kind == S3_LIST_OBJECTS ? NULL : "k";
	call.len = kind == S3_GET_OBJECT ? 4 : 0;
	return s3_run(s3, &call, NULL);
}

/* ${answer} for good: an error within the time, and not at the first pause. */
static void
check_ends(enum s3_kind kind, const char *answer, int err)
{
	for (int n = 0; n < 40; n++)
		stub_add(&stub, STUB_KEEP, answer);
	assert_int_equal(run(kind), err);
	/* Not before: it might have passed. */
	assert_in_range(
	    took_ms(), TIMEOUT_S * 1000 * 3 / 4, TIMEOUT_S * 1000 + SLACK_MS);
	assert_in_range(call.result.attempts, 4, 40);
}

static void
test_500_for_good(void **state)
{
	(void)state;
	check_ends(S3_GET_OBJECT, FAILED "\r\n", -EIO);
}

static void
test_503_for_good(void **state)
{
	(void)state;
	check_ends(S3_GET_OBJECT, BUSY "\r\n", -EBUSY);
}

static void
test_a_wrong_range_for_good(void **state)
{
	(void)state;
	check_ends(S3_GET_OBJECT, RANGE "4-7/10\r\n\r\nxxxx", -EIO);
}

static void
test_a_listing_that_is_none_for_good(void **state)
{
	(void)state;
	check_ends(S3_LIST_OBJECTS,
	    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwhat", -EIO);
}

/* Bytes that came are progress: the time begins anew. */
static void
test_progress_gives_time(void **state)
{
	(void)state;
	stub_add(&stub, STUB_KEEP, BUSY "x-amz-retry-after: 1500\r\n\r\n");
	stub_add(&stub, STUB_CLOSE,
	    "HTTP/1.1 206 P\r\nContent-Length: 4\r\nETag: \"e\"\r\n"
	    "Content-Range: bytes 0-3/4\r\n\r\n01");
	stub_add(&stub, STUB_KEEP, BUSY "x-amz-retry-after: 1500\r\n\r\n");
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 206 P\r\nContent-Length: 2\r\nETag: \"e\"\r\n"
	    "Content-Range: bytes 2-3/4\r\n\r\n23");
	assert_int_equal(run(S3_GET_OBJECT), 0);
	assert_true(took_ms() >= 3000);
	assert_int_equal(call.received, 4);
	assert_non_null(strstr(stub_request(&stub, 4), "bytes=2-3\r\n"));
}

static void
test_retry_after_beyond_the_time_is_the_end(void **state)
{
	(void)state;
	stub_add(&stub, STUB_KEEP, BUSY "x-amz-retry-after: 5000\r\n\r\n");
	assert_int_equal(run(S3_GET_OBJECT), -EBUSY);
	assert_int_equal(stub_count(&stub), 2); /* the first: s3_open() */
	assert_in_range(took_ms(), 0, SLACK_MS);
}

static void
test_a_write_ends_in_time(void **state)
{
	(void)state;
	check_ends(S3_DELETE_OBJECT, FAILED "\r\n", -EIO);
}

static void
test_a_busy_write_ends_in_time(void **state)
{
	(void)state;
	check_ends(S3_DELETE_OBJECT, BUSY "\r\n", -EBUSY);
}

/* Answers of another sort in between are no reason to go on. */
static void
test_a_mixture_ends_in_time(void **state)
{
	(void)state;
	for (int n = 0; n < 20; n++) {
		stub_add(&stub, STUB_KEEP, FAILED "\r\n");
		stub_add(&stub, STUB_KEEP, BUSY "\r\n");
	}
	assert_true(run(S3_DELETE_OBJECT) < 0);
	assert_in_range(took_ms(), 0, TIMEOUT_S * 1000 + SLACK_MS);
}

/* Bad answers, then silence: no more than the time in all. */
static void
test_silence_after_bad_answers_ends_in_time(void **state)
{
	(void)state;
	stub_add(&stub, STUB_KEEP, BUSY "x-amz-retry-after: 1600\r\n\r\n");
	assert_int_equal(run(S3_HEAD_OBJECT), -ETIMEDOUT);
	assert_in_range(
	    took_ms(), TIMEOUT_S * 900, TIMEOUT_S * 1000 + SLACK_MS / 3);
	assert_int_equal(call.result.attempts, 2);
}

/* One connection that says no more is no reason to give up. */
static void
test_after_a_stall_there_is_another_try(void **state)
{
	(void)state;
	stub_add(&stub, STUB_KEEP, RANGE "0-3/4\r\nETag: \"e\"\r\n\r\n01");
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 206 P\r\nContent-Length: 2\r\nETag: \"e\"\r\n"
	    "Content-Range: bytes 2-3/4\r\n\r\n23");
	assert_int_equal(run(S3_GET_OBJECT), 0);
	assert_int_equal(call.received, 4);
	assert_int_equal(call.result.attempts, 2);
	assert_in_range(took_ms(), TIMEOUT_S * 400, TIMEOUT_S * 1000);
}

static void
test_silence_ends_in_time(void **state)
{
	(void)state;
	assert_int_equal(run(S3_HEAD_OBJECT), -ETIMEDOUT);
	assert_int_equal(call.result.attempts, 2);
	assert_in_range(
	    took_ms(), TIMEOUT_S * 900, TIMEOUT_S * 1000 + SLACK_MS);
}

/* A write may take the server long: it is sent once. */
static void
test_a_silent_write_gets_all_the_time(void **state)
{
	(void)state;
	assert_int_equal(run(S3_DELETE_OBJECT), -ETIMEDOUT);
	assert_int_equal(call.result.attempts, 1);
	assert_true(call.result.unsure);
	assert_in_range(
	    took_ms(), TIMEOUT_S * 900, TIMEOUT_S * 1000 + SLACK_MS);
}

/* Two calls were signed with the wrong time: the second one, too, is sent
 * again, although the first has corrected the clock by then. */
static void
test_the_clock_is_corrected_for_all(void **state)
{
	time_t then = time(NULL) + 7200;
	struct s3_call other;
	struct tm tm;
	char answer[256];
	size_t len;

	(void)state;
	(void)gmtime_r(&then, &tm);
	len = strftime(answer, sizeof(answer),
	    "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n"
	    "Date: %a, %d %b %Y %H:%M:%S GMT\r\n\r\n",
	    &tm);
	assert_true(len > 0);
	s3_call_init(&call, S3_HEAD_OBJECT);
	s3_call_init(&other, S3_HEAD_OBJECT);
	call.key = "a";
	other.key = "b";
	s3_submit(s3, &call);
	s3_submit(s3, &other);
	(void)stub_request(&stub, 2); /* both have come */
	stub_add(&stub, STUB_KEEP, answer);
	stub_add(&stub, STUB_KEEP, answer);
	for (int i = 0; i < 2; i++)
		stub_add(&stub, STUB_KEEP,
		    "HTTP/1.1 200 OK\r\nETag: \"a\"\r\n"
		    "Content-Length: 5\r\n\r\n");
	assert_int_equal(s3_wait(s3, &call, NULL), 0);
	assert_int_equal(s3_wait(s3, &other, NULL), 0);
	assert_int_equal(call.result.err, 0);
	assert_int_equal(other.result.err, 0);
	assert_int_equal(other.result.attempts, 2);
	s3_call_fini(&other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, client_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_500_for_good),
		TEST(test_503_for_good),
		TEST(test_a_wrong_range_for_good),
		TEST(test_a_listing_that_is_none_for_good),
		TEST(test_progress_gives_time),
		TEST(test_retry_after_beyond_the_time_is_the_end),
		TEST(test_a_write_ends_in_time),
		TEST(test_a_busy_write_ends_in_time),
		TEST(test_a_mixture_ends_in_time),
		TEST(test_silence_after_bad_answers_ends_in_time),
		TEST(test_after_a_stall_there_is_another_try),
		TEST(test_silence_ends_in_time),
		TEST(test_a_silent_write_gets_all_the_time),
		TEST(test_the_clock_is_corrected_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
