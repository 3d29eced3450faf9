/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_checksum.c - tests of s3/checksum.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "s3/base/crc.h"
#include "s3/checksum.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static void
test_format(void **state)
{
	static const uint32_t crcs[] = { 0, 1, 0xe3069283, 0xffffffff,
		0x80000001, 0x12345678 };
	char text[CHECKSUM_CRC32C_SIZE];
	struct checksum c;

	(void)state;
	checksum_format(crc32c(0, "123456789", 9), text);
	assert_string_equal(text, "4waSgw==");
	checksum_format(0, text);
	assert_string_equal(text, "AAAAAA==");
	for (size_t i = 0; i < LENGTH(crcs); i++) {
		checksum_format(crcs[i], text);
		assert_int_equal(checksum_parse(text, &c), 0);
		assert_int_equal(c.crc32c, crcs[i]);
		assert_int_equal(c.parts, 0);
	}
}

static void
test_parse(void **state)
{
	static const char *const bad[] = { "", "4waSgw",
		"4waSgw=", "4waSgx==", "4waSgw==-", "4waSgw==-0",
		"4waSgw==-10001", "4waSgw==-1x",
		"4waSgw== ", "4wa_gw==", "4waSgwAA", "4waSgw==--1" };
	struct checksum c = { 7, 7 };

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(checksum_parse(bad[i], &c), -EINVAL);
	assert_int_equal(c.crc32c, 7);
	assert_int_equal(checksum_parse("4waSgw==-10000", &c), 0);
	assert_int_equal(c.crc32c, 0xe3069283);
	assert_int_equal(c.parts, 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
