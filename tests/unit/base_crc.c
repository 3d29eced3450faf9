/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_crc.c - tests of s3/base/crc.c.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "s3/base/crc.h"

#define BIG (100 * 1024)

/* One bit after the other, as RFC 3720 has it. */
static uint32_t
bitwise(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	for (; len > 0; p++, len--) {
		crc ^= *p;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

static uint8_t *
random_bytes(size_t len)
{
	uint8_t *p = malloc(len);
	uint32_t state = 12345;

	assert_non_null(p);
	for (size_t i = 0; i < len; i++) {
		state = state * 1664525U + 1013904223U;
		p[i] = (uint8_t)(state >> 24);
	}
	return p;
}

/* RFC 3720 B.4, and the usual check value. */
static void
test_vectors(void **state)
{
	uint8_t data[32];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283U);
	memset(data, 0, sizeof(data));
	assert_int_equal(crc32c(0, data, sizeof(data)), 0x8a9136aaU);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(crc32c(0, data, sizeof(data)), 0x62a8ab43U);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, data, sizeof(data)), 0x46dd794eU);
	assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void
test_each_length(void **state)
{
	uint8_t *p = random_bytes(BIG);
	uint32_t want;

	(void)state;
	for (size_t len = 0; len < 300; len++) {
		want = bitwise(7, p + len % 9, len);
		assert_int_equal(crc32c(7, p + len % 9, len), want);
		assert_int_equal(crc32c_portable(7, p + len % 9, len), want);
	}
	/* Around one, two, three and four rounds of the three streams. */
	for (size_t n = 1; n <= 4; n++) {
		for (size_t len = n * 24576 - 9; len < n * 24576 + 10; len++) {
			want = crc32c_portable(0, p, len);
			assert_int_equal(crc32c(0, p, len), want);
		}
	}
	assert_int_equal(crc32c(0, p, BIG), bitwise(0, p, BIG));
	free(p);
}

static void
test_combine(void **state)
{
	static const size_t lengths[] = { 0, 1, 7, 8, 4096, 8192, 50000 };
	uint8_t *p = random_bytes(BIG);
	uint32_t whole, a, b;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		len = lengths[i];
		a = crc32c(0, p, len);
		b = crc32c(0, p + len, BIG - len);
		whole = crc32c(0, p, BIG);
		assert_int_equal(crc32c_combine(a, b, BIG - len), whole);
		assert_int_equal(crc32c(a, p + len, BIG - len), whole);
	}
	/* Blocks of one length. */
	whole = 0;
	for (size_t off = 0; off < BIG; off += 1024)
		whole = crc32c_combine_shift(
		    whole, crc32c(0, p + off, 1024), crc32c_shift(1024));
	assert_int_equal(whole, crc32c(0, p, BIG));
	free(p);
}

/* Lengths that no test could hold in memory. */
static void
test_combine_is_associative(void **state)
{
	uint64_t x = UINT64_C(5) << 30, y = (UINT64_C(1) << 45) + 3;
	uint32_t a = 0x01234567, b = 0x89abcdef, c = 0xdeadbeef, left, right;

	(void)state;
	left = crc32c_combine(crc32c_combine(a, b, x), c, y);
	right = crc32c_combine(a, crc32c_combine(b, c, y), x + y);
	assert_int_equal(left, right);
	assert_int_not_equal(left, crc32c_combine(a, b, x + y));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_each_length),
		cmocka_unit_test(test_combine),
		cmocka_unit_test(test_combine_is_associative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
