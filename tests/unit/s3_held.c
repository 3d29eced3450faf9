/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_held.c - tests of calls that limits hold up for longer than the timeout.
 *
 * They end well, and not too soon; nothing else is said of the time.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/s3_client.h"

#define TIMEOUT_S 2
#define PIECE     16384
#define SIZE      (3 * PIECE)
#define FAILED    "HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n"
#define DONE      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"e\"\r\n\r\n"

static int64_t start_ms;
static uint64_t received;

static void
set_up(uint64_t upload, uint64_t download, unsigned requests)
{
	client_max.upload = upload;
	client_max.download = download;
	client_max.requests = requests;
	received = 0;
	client_open(TIMEOUT_S, false);
	start_ms = clock_mono_ms(&clock_system);
}

static int64_t
took_ms(void)
{
	return clock_mono_ms(&clock_system) - start_ms;
}

static int
on_sink(void *arg, uint64_t off, const void *data, size_t len)
{
	(void)arg;
	assert_int_equal(off, received);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(((const char *)data)[i], 'x');
	received += len;
	return 0;
}

/* Answer a GET of bytes ${first} to the end with ${len} of them, and then. */
static void
add_body(unsigned first, size_t len, enum stub_then then)
{
	char *text = malloc(SIZE + 1024);
	int n = sprintf(text,
	    "HTTP/1.1 206 P\r\nContent-Length: %u\r\nETag: \"e\"\r\n"
	    "Content-Range: bytes %u-%u/%u\r\n\r\n",
	    SIZE - first, first, SIZE - 1, SIZE);

	memset(text + n, 'x', len);
	text[(size_t)n + len] = '\0';
	stub_add(&stub, then, text);
	free(text);
}

static void
get_init(void)
{
	s3_call_init(&call, S3_GET_OBJECT);
	call.key = "k";
	call.len = SIZE;
	call.sink = on_sink;
}

/* The second piece is paid for in 2 s, the server silent meanwhile. */
static void
test_a_download(void **state)
{
	(void)state;
	set_up(0, PIECE / 2, 0);
	add_body(0, SIZE, STUB_KEEP);
	get_init();
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(received, SIZE);
	assert_int_equal(call.result.attempts, 1);
	assert_true(took_ms() >= 1800);
}

/* The first piece goes at once, the rest as a KiB in 2.5 s each. */
static void
test_an_upload(void **state)
{
	static char body[PIECE + 512];

	(void)state;
	set_up(400, 0, 0);
	memset(body, 'x', sizeof(body));
	stub_add(&stub, STUB_KEEP, DONE);
	s3_call_init(&call, S3_PUT_OBJECT);
	call.key = "k";
	call.body = body;
	call.body_len = sizeof(body);
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(call.result.attempts, 1);
	assert_true(took_ms() >= 2400);
}

/* Each waits a second for its turn: together more than the timeout. */
static void
test_attempts(void **state)
{
	(void)state;
	set_up(0, 0, 1);
	for (int i = 0; i < 4; i++)
		stub_add(&stub, STUB_KEEP, FAILED);
	stub_add(&stub, STUB_KEEP, DONE);
	s3_call_init(&call, S3_HEAD_OBJECT);
	call.key = "k";
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(call.result.attempts, 5);
	assert_true(took_ms() >= 4500);
}

/* The server loses patience: the GET goes on where it was. */
static void
test_a_connection_that_is_cut_meanwhile(void **state)
{
	(void)state;
	set_up(0, PIECE / 2, 0);
	add_body(0, 2 * PIECE + 100, STUB_CLOSE);
	add_body(2 * PIECE + 100, PIECE - 100, STUB_KEEP);
	get_init();
	assert_int_equal(s3_run(s3, &call, NULL), 0);
	assert_int_equal(received, SIZE);
	assert_int_equal(call.result.attempts, 2);
	assert_non_null(
	    strstr(stub_request(&stub, 2), "bytes=32868-49151\r\n"));
}

/* What is held for minutes ends at once, and holds up nobody. */
static void
test_cancel(void **state)
{
	static char body[2 * PIECE];
	struct s3_call other;

	(void)state;
	set_up(100, 0, 0);
	s3_call_init(&call, S3_PUT_OBJECT);
	call.key = "k";
	call.body = body;
	call.body_len = sizeof(body);
	s3_submit(s3, &call);
	s3_call_init(&other, S3_HEAD_OBJECT);
	other.key = "k";
	stub_add(&stub, STUB_KEEP, DONE);
	assert_int_equal(s3_run(s3, &other, NULL), 0);
	s3_call_fini(&other);
	s3_cancel(s3, &call);
	assert_int_equal(s3_wait(s3, &call, NULL), 0);
	assert_int_equal(call.result.err, -ECANCELED);
	assert_int_equal(stub_count(&stub), 2); /* its body never came whole */
	assert_true(took_ms() < 30000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_download, client_close),
		cmocka_unit_test_teardown(test_an_upload, client_close),
		cmocka_unit_test_teardown(test_attempts, client_close),
		cmocka_unit_test_teardown(
		    test_a_connection_that_is_cut_meanwhile, client_close),
		cmocka_unit_test_teardown(test_cancel, client_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
