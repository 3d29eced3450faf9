/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_prove.c - a part that S3 has is ours only if its checksum says so.
 *
 * Role:    unit test of s3/prove.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "s3/base/crc.h"
#include "s3/s3.h"

#define SIZE 300001

static char data[SIZE];

/* Never more than 1000 bytes at once. */
static int64_t
give(void *arg, uint64_t off, void *ret, size_t len)
{
	unsigned *calls = arg;

	++*calls;
	len = len < 1000 ? len : 1000;
	memcpy(ret, data + off, len);
	return (int64_t)len;
}

static int64_t
break_off(void *arg, uint64_t off, void *ret, size_t len)
{
	(void)arg, (void)ret, (void)len;
	return off < 5000 ? give(arg, off, ret, len) : -ENOSPC;
}

static int64_t
give_none(void *arg, uint64_t off, void *ret, size_t len)
{
	(void)arg, (void)off, (void)ret, (void)len;
	return 0;
}

static int
set_up(void **state)
{
	(void)state;
	memset(data, 'a', sizeof(data));
	return 0;
}

static int
is(const struct s3_part *part)
{
	unsigned calls = 0;
	uint32_t crc = 7;
	int r = s3_part_is(part, give, &calls, &crc);

	assert_int_equal(crc, r == 1 ? crc32c(0, data, part->size) : 7);
	return r;
}

static void
test_crc(void **state)
{
	char etag[] = "\"whatever\"";
	struct s3_part part = { .number = 3,
		.size = SIZE,
		.etag = etag,
		.crc32c = crc32c(0, data, SIZE),
		.has_crc32c = true };

	(void)state;
	assert_int_equal(is(&part), 1);
	data[SIZE - 1] ^= 1;
	assert_int_equal(is(&part), 0);
	data[SIZE - 1] ^= 1;
	part.size--;
	assert_int_equal(is(&part), 0);
	part.size++;
	part.etag = NULL; /* it cannot be completed */
	assert_int_equal(is(&part), 0);
}

/* MD5 of 300001 letters a. */
#define SUM "50279522057dc0256decef31f8376506"

static void
test_md5(void **state)
{
	char good[] = "\"" SUM "\"", bare[] = SUM;
	char big[] = "\"" SUM "\"", parts[] = "\"" SUM "-1\"";
	struct s3_part part = { .size = SIZE, .etag = good };

	(void)state;
	assert_int_equal(is(&part), 1);
	part.etag = bare;
	assert_int_equal(is(&part), 1);
	for (char *c = big; *c != '\0'; c++)
		*c = *c >= 'a' && *c <= 'f' ? (char)(*c - 'a' + 'A') : *c;
	part.etag = big;
	assert_int_equal(is(&part), 1);
	part.etag = parts;
	assert_int_equal(is(&part), 0);
	part.etag = good;
	data[0] ^= 1;
	assert_int_equal(is(&part), 0);
	data[0] ^= 1;
	/* A CRC tells, whatever the ETag is. */
	part.has_crc32c = true;
	assert_int_equal(is(&part), 0);
}

/* Nothing is read for what cannot be told. */
static void
test_no_checksum(void **state)
{
	static const char *const etags[] = { "\"part1\"", "", "\"\"", "\"",
		"\"50279522057dc0256decef31f837650\"",
		"\"50279522057dc0256decef31f83765060\"",
		"\"50279522057dc0256decef31f837650x\"" };
	unsigned calls = 0;
	uint32_t crc;

	(void)state;
	for (size_t i = 0; i < sizeof(etags) / sizeof(*etags); i++) {
		char etag[64];
		struct s3_part part = { .size = SIZE, .etag = etag };

		(void)snprintf(etag, sizeof(etag), "%s", etags[i]);
		assert_int_equal(s3_part_is(&part, give, &calls, &crc), 0);
	}
	assert_int_equal(calls, 0);
}

static void
test_the_source_fails(void **state)
{
	char etag[] = "\"e\"";
	struct s3_part part = {
		.size = SIZE, .etag = etag, .has_crc32c = true
	};
	unsigned calls = 0;
	uint32_t crc;

	(void)state;
	assert_int_equal(s3_part_is(&part, break_off, &calls, &crc), -ENOSPC);
	assert_int_equal(s3_part_is(&part, give_none, &calls, &crc), -EIO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_crc, set_up),
		cmocka_unit_test_setup(test_md5, set_up),
		cmocka_unit_test_setup(test_no_checksum, set_up),
		cmocka_unit_test_setup(test_the_source_fails, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
