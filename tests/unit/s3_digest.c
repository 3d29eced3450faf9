/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_digest.c - tests of s3/digest.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "s3/digest.h"

/* Of "123456789"; the CRCs are the check values of their definitions. */
static const char *const values[DIGEST_KIND_COUNT] = {
	[DIGEST_CRC32C] = "4waSgw==",
	[DIGEST_CRC64NVME] = "rosUhgp5mIg=",
	[DIGEST_CRC32] = "y/Q5Jg==",
	[DIGEST_SHA1] = "98O8HYCOBHMq32eZZczDTKeuNEE=",
	[DIGEST_SHA256] = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
};

static int
verify(enum digest_kind kind, const char *data, size_t cut, const char *value)
{
	struct digest d;
	int r;

	digest_init(&d);
	assert_int_equal(digest_begin(&d, kind), 0);
	assert_int_equal(digest_add(&d, data, cut), 0);
	assert_int_equal(digest_add(&d, data + cut, strlen(data) - cut), 0);
	r = digest_verify(&d, value);
	digest_fini(&d);
	return r;
}

static void
test_check_values(void **state)
{
	(void)state;
	for (int k = 0; k < DIGEST_KIND_COUNT; k++) {
		enum digest_kind kind = (enum digest_kind)k;

		for (size_t cut = 0; cut <= 9; cut++)
			assert_int_equal(
			    verify(kind, "123456789", cut, values[k]), 0);
		assert_int_equal(
		    verify(kind, "123456788", 0, values[k]), -EBADMSG);
		assert_int_equal(verify(kind, "", 0, values[k]), -EBADMSG);
	}
}

/* Long enough for all eight slices, in steps that fit none. */
static void
test_long(void **state)
{
	static char data[10000];
	struct digest a, b;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * i >> 3);
	for (int k = 0; k < DIGEST_SHA1; k++) {
		digest_init(&a);
		digest_init(&b);
		assert_int_equal(digest_begin(&a, (enum digest_kind)k), 0);
		assert_int_equal(digest_begin(&b, (enum digest_kind)k), 0);
		assert_int_equal(digest_add(&a, data, sizeof(data)), 0);
		for (size_t i = 0; i < sizeof(data); i++)
			assert_int_equal(digest_add(&b, data + i, 1), 0);
		assert_true(a.crc == b.crc);
		digest_fini(&a);
		digest_fini(&b);
	}
}

/* What is no checksum of a whole object says nothing. */
static void
test_no_data(void **state)
{
	struct digest d;

	(void)state;
	digest_init(&d);
	assert_int_equal(digest_add(&d, "x", 1), 0);
	assert_int_equal(digest_verify(&d, values[0]), -ENODATA);
	digest_fini(&d);
	assert_int_equal(
	    verify(DIGEST_CRC32C, "123456789", 0, "4waSgw==-2"), -ENODATA);
	assert_int_equal(verify(DIGEST_CRC32C, "1", 0, ""), -ENODATA);
	assert_int_equal(verify(DIGEST_CRC64NVME, "1", 0, values[0]), -ENODATA);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_values),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_no_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
