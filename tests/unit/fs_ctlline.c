/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_ctlline.c - lines of JSON, and bytes, over a socket.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fs/ctlline.h"

#define LONG (3 * CTLLINE_SIZE + 7)

static int fds[2]; /* ours, the other side's */

static int
set_up(void **state)
{
	const struct timeval patience = { .tv_usec = 300000 };

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	return setsockopt(
	    fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static int
tear_down(void **state)
{
	(void)state;
	(void)close(fds[0]);
	(void)close(fds[1]);
	return 0;
}

static void
say(const char *text)
{
	assert_int_equal(ctlline_send(fds[1], text, strlen(text)), 0);
}

static void
assert_int_line(struct ctlline *in, json_int_t n)
{
	json_t *value = NULL;

	assert_int_equal(ctlline_read(in, &value), 0);
	assert_int_equal(json_integer_value(value), n);
	json_decref(value);
}

static void
test_lines_and_bytes(void **state)
{
	struct ctlline in = CTLLINE_INIT(fds[0]);
	json_t *value = NULL;
	char data[16];

	(void)state;
	say("1\n2\n3\nabcdefg4\n5");
	assert_int_line(&in, 1);
	assert_int_line(&in, 2);
	assert_int_line(&in, 3);
	assert_int_equal(ctlline_read_bytes(&in, data, 3), 3);
	assert_memory_equal(data, "abc", 3);
	assert_int_equal(ctlline_read_bytes(&in, data, 4), 4);
	assert_memory_equal(data, "defg", 4);
	assert_int_line(&in, 4);
	assert_int_equal(ctlline_read(&in, &value), -EAGAIN);
	say("no\n");
	assert_int_equal(ctlline_read(&in, &value), -EPROTO);
	assert_null(value);
}

static void
test_the_end(void **state)
{
	struct ctlline in = CTLLINE_INIT(fds[0]);
	json_t *value = NULL;
	char data[4];

	(void)state;
	say("12");
	(void)shutdown(fds[1], SHUT_WR);
	assert_int_equal(ctlline_read(&in, &value), -ENODATA);
	assert_int_equal(ctlline_read_bytes(&in, data, 4), -ENODATA);
	(void)shutdown(fds[0], SHUT_RD);
	assert_int_equal(ctlline_send(fds[1], "x", 1), -EPIPE);
	assert_int_equal(ctlline_send_json(fds[0], NULL), -ENOMEM);
}

static void *
send_long(void *arg)
{
	char *text = malloc(LONG + 1);

	(void)arg;
	assert_non_null(text);
	memset(text, 'x', LONG);
	text[LONG] = '\0';
	assert_int_equal(ctlline_send_json(fds[1], json_pack("[s]", text)), 0);
	assert_int_equal(ctlline_send(fds[1], text, LONG), 0);
	free(text);
	return NULL;
}

static void
test_more_than_the_buffer(void **state)
{
	struct ctlline in = CTLLINE_INIT(fds[0]);
	static char data[LONG];
	json_t *value = NULL;
	pthread_t thread;
	size_t got = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, send_long, NULL), 0);
	assert_int_equal(ctlline_read(&in, &value), 0);
	assert_int_equal(json_string_length(json_array_get(value, 0)), LONG);
	json_decref(value);
	while (got < LONG) {
		ssize_t n = ctlline_read_bytes(&in, data + got, LONG - got);

		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_int_equal(data[0], 'x');
	assert_int_equal(data[LONG - 1], 'x');
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void
test_canceled(void **state)
{
	struct ctlline in = CTLLINE_INIT(fds[0]);
	json_t *value = NULL;

	(void)state;
	in.cancel_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(in.cancel_fd >= 0);
	say("1\n");
	assert_int_line(&in, 1);
	assert_int_equal(eventfd_write(in.cancel_fd, 1), 0);
	assert_int_equal(ctlline_read(&in, &value), -EINTR);
	(void)close(in.cancel_fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lines_and_bytes),
		TEST(test_the_end),
		TEST(test_more_than_the_buffer),
		TEST(test_canceled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
