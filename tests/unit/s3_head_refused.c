/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_head_refused.c - tests of a HEAD that is refused: its answer has no body
 * that says why.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/unit/s3_client.h"

#define EMPTY   "Content-Length: 0\r\n\r\n"
#define BAD     "HTTP/1.1 400 Bad Request\r\n" EMPTY
#define DENIED  "HTTP/1.1 403 Forbidden\r\n" EMPTY
#define OK      "HTTP/1.1 200 OK\r\nETag: \"a\"\r\n" EMPTY
#define EXPIRED "<Error><Code>ExpiredToken</Code></Error>"

static int
setup(void **state)
{
	(void)state;
	client_open(5, true);
	return 0;
}

static int
run(enum s3_kind kind)
{
	s3_call_fini(&call);
	s3_call_init(&call, kind);
	call.key = "k";
	return s3_run(s3, &call, NULL);
}

/* The provider has other keys now; those of a role, which expire. */
static void
change_keys(const char *access)
{
	(void)setenv("AWS_ACCESS_KEY_ID", access, 1);
	(void)setenv("AWS_SESSION_TOKEN", "token", 1);
}

static void
assert_signed_by(unsigned request, const char *access)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "Credential=%s/", access);
	assert_non_null(strstr(stub_request(&stub, request), text));
}

static void
test_400(void **state)
{
	(void)state;
	stub_add(&stub, STUB_KEEP, BAD);
	stub_add(&stub, STUB_KEEP, OK);
	change_keys("AKID2");
	assert_int_equal(run(S3_HEAD_OBJECT), 0);
	assert_signed_by(1, "AKID");
	assert_signed_by(2, "AKID2");
	/* It is not the keys, which came just now: no program asked for what
	 * is not valid. */
	stub_add(&stub, STUB_KEEP, BAD);
	assert_int_equal(run(S3_HEAD_OBJECT), -EACCES);
	assert_int_equal(call.result.attempts, 1);
	assert_non_null(strstr(call.result.message, "credentials"));
	assert_non_null(strstr(call.result.message, "'k'"));
	assert_int_equal(stub_count(&stub), 4); /* the first: s3_open() */
}

/* It may be the keys, if they expire; of others it says no. */
static void
test_403(void **state)
{
	(void)state;
	stub_add(&stub, STUB_KEEP, DENIED);
	assert_int_equal(run(S3_HEAD_OBJECT), -EACCES);
	assert_int_equal(call.result.attempts, 1);
	change_keys("AKID2");
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 400 Bad Request\r\nContent-Length: 40\r\n\r\n" EXPIRED);
	stub_add(&stub, STUB_KEEP, OK);
	assert_int_equal(run(S3_DELETE_OBJECT), 0);
	change_keys("AKID3");
	stub_add(&stub, STUB_KEEP, DENIED);
	stub_add(&stub, STUB_KEEP, OK);
	assert_int_equal(run(S3_HEAD_OBJECT), 0);
	assert_signed_by(4, "AKID2");
	assert_signed_by(5, "AKID3");
	/* Where names may not be seen, each is answered so: the provider is
	 * not asked for each. */
	stub_add(&stub, STUB_KEEP, DENIED);
	assert_int_equal(run(S3_HEAD_OBJECT), -EACCES);
	assert_int_equal(call.result.attempts, 1);
	assert_int_equal(stub_count(&stub), 7);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, client_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_400),
		TEST(test_403),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
