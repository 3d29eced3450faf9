/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_error.c - tests of s3/error.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "s3/error.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	unsigned status;
	const char *code;
	int err;
	enum error_retry retry;
} cases[] = {
	{ 404, "NoSuchBucket", -ENOENT, ERROR_NEVER },
	{ 404, "NoSuchKey", -ENOENT, ERROR_NEVER },
	{ 404, NULL, -ENOENT, ERROR_NEVER },
	{ 404, "", -ENOENT, ERROR_NEVER },
	{ 404, "SomethingNew", -ENOENT, ERROR_NEVER },
	{ 403, NULL, -EACCES, ERROR_NEVER },
	{ 403, "AccessDenied", -EACCES, ERROR_NEVER },
	{ 403, "SignatureDoesNotMatch", -EACCES, ERROR_NEVER },
	{ 403, "InvalidAccessKeyId", -EACCES, ERROR_CREDENTIALS },
	{ 400, "ExpiredToken", -EACCES, ERROR_CREDENTIALS },
	{ 403, "ExpiredToken", -EACCES, ERROR_CREDENTIALS },
	{ 403, "RequestTimeTooSkewed", -EACCES, ERROR_SKEW },
	{ 403, "InvalidObjectState", -EACCES, ERROR_NEVER },
	{ 412, NULL, -ESTALE, ERROR_NEVER },
	{ 412, "PreconditionFailed", -ESTALE, ERROR_NEVER },
	{ 200, "PreconditionFailed", -ESTALE, ERROR_NEVER },
	{ 409, "ConditionalRequestConflict", -EBUSY, ERROR_RETRY },
	{ 409, "BucketAlreadyOwnedByYou", -EBUSY, ERROR_NEVER },
	{ 304, NULL, -EAGAIN, ERROR_NEVER },
	{ 416, "InvalidRange", -ERANGE, ERROR_NEVER },
	{ 416, NULL, -ERANGE, ERROR_NEVER },
	{ 503, "SlowDown", -EBUSY, ERROR_THROTTLE },
	{ 200, "SlowDown", -EBUSY, ERROR_THROTTLE },
	{ 503, NULL, -EBUSY, ERROR_THROTTLE },
	{ 429, NULL, -EBUSY, ERROR_THROTTLE },
	{ 500, "InternalError", -EIO, ERROR_RETRY },
	{ 200, "InternalError", -EIO, ERROR_RETRY },
	{ 502, NULL, -EIO, ERROR_RETRY },
	{ 504, NULL, -ETIMEDOUT, ERROR_RETRY },
	{ 599, "Whatever", -EIO, ERROR_RETRY },
	{ 400, "RequestTimeout", -ETIMEDOUT, ERROR_RETRY },
	{ 400, "EntityTooLarge", -EFBIG, ERROR_NEVER },
	{ 403, "QuotaExceeded", -EDQUOT, ERROR_NEVER },
	{ 507, "XMinioStorageFull", -ENOSPC, ERROR_NEVER },
	{ 400, "AuthorizationHeaderMalformed", -EINVAL, ERROR_REGION },
	{ 301, "PermanentRedirect", -EINVAL, ERROR_REGION },
	{ 301, NULL, -EINVAL, ERROR_REGION },
	{ 307, "TemporaryRedirect", -EIO, ERROR_REDIRECT },
	{ 501, "NotImplemented", -EOPNOTSUPP, ERROR_NEVER },
	{ 400, "BadDigest", -EIO, ERROR_RETRY },
	{ 400, "KeyTooLongError", -ENAMETOOLONG, ERROR_NEVER },
	{ 400, NULL, -EINVAL, ERROR_NEVER },
	{ 418, NULL, -EIO, ERROR_NEVER },
	{ 200, "Nonsense", -EIO, ERROR_RETRY },
	{ 0, ERROR_REFUSED, -EHOSTUNREACH, ERROR_RETRY },
	{ 0, ERROR_TIMEOUT, -ETIMEDOUT, ERROR_RETRY },
	{ 0, ERROR_TLS, -EACCES, ERROR_NEVER },
	{ 0, ERROR_CANCELED, -ECANCELED, ERROR_NEVER },
	{ 0, NULL, -EIO, ERROR_RETRY },
	{ 0, ERROR_TRUNCATED, -EIO, ERROR_RETRY },
	{ 0, ERROR_NONSENSE, -EIO, ERROR_RETRY_FEW },
	/* A server cannot speak for us. */
	{ 400, ERROR_CANCELED, -EINVAL, ERROR_NEVER },
	{ 503, ERROR_TLS, -EBUSY, ERROR_THROTTLE },
};

static void
test_table(void **state)
{
	const struct s3_error *e;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		e = s3_error_find(cases[i].status, cases[i].code);
		if (e->err != cases[i].err || e->retry != cases[i].retry)
			fail_msg("%u %s: err %d, retry %d", cases[i].status,
			    cases[i].code != NULL ? cases[i].code : "-", e->err,
			    (int)e->retry);
	}
}

/* What the net thread reports has a row of its own. */
static void
test_local_codes(void **state)
{
	static const int errs[] = { -EHOSTUNREACH, -ECONNREFUSED, -ETIMEDOUT,
		-EKEYREJECTED, -ECONNRESET, -EBADMSG, -ENOMEM, -ECANCELED,
		-ENOKEY };
	const struct s3_error *e;

	(void)state;
	for (size_t i = 0; i < LENGTH(errs); i++) {
		e = s3_error_find(0, s3_error_code(errs[i]));
		assert_non_null(e->code);
		assert_string_equal(e->code, s3_error_code(errs[i]));
	}
	assert_string_equal(s3_error_code(-ENOTTY), ERROR_LOST);
}

static void
check_message(const struct s3_error_info *info, const char *want)
{
	char text[256];

	s3_error_message(
	    s3_error_find(info->status, info->code), info, text, sizeof(text));
	assert_string_equal(text, want);
}

static void
test_messages(void **state)
{
	struct s3_error_info info = { .status = 404, .code = "NoSuchBucket" };

	(void)state;
	check_message(&info, "no such bucket: check its name and the endpoint");
	info.bucket = "x";
	check_message(
	    &info, "no such bucket 'x': check its name and the endpoint");
	info.status = 403;
	info.code = "AccessDenied";
	check_message(&info,
	    "access denied to 'x': check the permissions of the credentials");
	info.key = "a/b";
	info.server_message = "no";
	check_message(&info,
	    "access denied to 'x', 'a/b': check the permissions of the "
	    "credentials (no)");
	info.code = "RequestTimeTooSkewed";
	info.skew_s = -3600;
	check_message(&info,
	    "the clock is off by -3600 s: set it, or run an NTP service");
	info.status = 400;
	info.code = "AuthorizationHeaderMalformed";
	info.region = "us-east-1";
	check_message(&info, "the region 'us-east-1' is wrong: set region");
	info.server_region = "eu-west-1";
	check_message(&info,
	    "the region 'us-east-1' is wrong: the bucket is in 'eu-west-1': "
	    "set region");
	info.code = "Strange";
	check_message(&info, "the server refuses the request: 400 Strange: no");
}

static void
test_endpoint_messages(void **state)
{
	struct s3_error_info info = { .code = ERROR_REFUSED };

	(void)state;
	check_message(&info,
	    "the server refuses connections: check the endpoint and its port");
	info.endpoint = "http://h:1";
	check_message(&info,
	    "http://h:1 refuses connections: check the endpoint and its port");
	info.code = ERROR_LOST;
	info.detail = "reset";
	check_message(&info,
	    "the connection to http://h:1 was lost (reset): check the "
	    "network, and whether the endpoint is http or https");
	info.endpoint = NULL;
	check_message(&info,
	    "the connection to the server was lost (reset): check the "
	    "network, and whether the endpoint is http or https");
}

/* Whatever the server says: one line, cut, in every buffer. */
static void
test_hostile(void **state)
{
	struct s3_error_info info = { .status = 400,
		.code = "X",
		.server_message = "a\nb\033[2Jc%s%n{%b}\x7f" };
	char long_text[1000], text[256];

	(void)state;
	check_message(
	    &info, "the server refuses the request: 400 X: a?b?[2Jc%s%n{%b}?");
	memset(long_text, 'y', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	info.server_message = long_text;
	for (size_t size = 0; size <= sizeof(text); size++) {
		memset(text, '!', sizeof(text));
		s3_error_message(s3_error_find(400, "X"), &info, text, size);
		if (size > 0)
			assert_true(strnlen(text, size) == size - 1);
		if (size < sizeof(text))
			assert_int_equal(text[size], '!');
	}
}

/* Each row can be said without anything known, and says something. */
static void
test_every_row_speaks(void **state)
{
	struct s3_error_info info = { .status = 0 };
	char text[256];

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		s3_error_message(s3_error_find(cases[i].status, cases[i].code),
		    &info, text, sizeof(text));
		assert_true(strlen(text) >= 8);
		assert_null(strpbrk(text, "{}%"));
		assert_null(strstr(text, "  "));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_local_codes),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_endpoint_messages),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_every_row_speaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
