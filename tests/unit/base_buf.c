/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_buf.c - tests of s3/base/buf.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"

static void
test_grows(void **state)
{
	struct buf b = BUF_INIT(100000);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 10000; i++)
		assert_int_equal(buf_printf(&b, "%04d,", i), 0);
	assert_int_equal(b.len, 50000);
	assert_memory_equal(b.data + 49990, "9998,9999,", 11);
	assert_int_equal(buf_add(&b, "a\0b", 3), 0);
	assert_memory_equal(b.data + 50000, "a\0b", 4);
	buf_fini(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 100000);
}

static void
test_max_sticks(void **state)
{
	struct buf b = BUF_INIT(8);
	char *s = NULL;

	(void)state;
	assert_int_equal(buf_add_str(&b, "12345678"), 0);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_int_equal(buf_add_char(&b, '9'), -EOVERFLOW);
	assert_string_equal(buf_str(&b), "12345678");
	assert_int_equal(buf_error(&b), -EOVERFLOW);
	buf_clear(&b);
	assert_int_equal(buf_printf(&b, "%s", "123456789"), -EOVERFLOW);
	assert_int_equal(buf_add_str(&b, ""), -EOVERFLOW);
	assert_int_equal(buf_take(&b, &s), -EOVERFLOW);
	assert_null(s);
	buf_clear(&b);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(buf_add_char(&b, 'x'), 0);
	assert_string_equal(buf_str(&b), "x");
	buf_fini(&b);
}

static void
test_take(void **state)
{
	struct buf b = BUF_INIT(SIZE_MAX - 1);
	char *s;

	(void)state;
	assert_int_equal(buf_take(&b, &s), 0);
	assert_string_equal(s, "");
	free(s);
	assert_int_equal(buf_add_str(&b, "abc"), 0);
	assert_int_equal(buf_take(&b, &s), 0);
	assert_string_equal(s, "abc");
	free(s);
	assert_int_equal(b.len, 0);
	assert_null(b.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_max_sticks),
		cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
