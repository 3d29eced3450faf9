/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_text.c - tests of s3/base/text.h.
 */
#include <string.h>

#include "tests/unit/unit.h"

#include "s3/base/text.h"

static void
test_same(void **state)
{
	(void)state;
	assert_true(text_same(NULL, NULL));
	assert_true(text_same("", ""));
	assert_true(text_same("a", "a"));
	assert_false(text_same("a", "b"));
	assert_false(text_same(NULL, ""));
	assert_false(text_same("", NULL));
}

static void
test_fields(void **state)
{
	char *field = NULL, *copy;

	(void)state;
	assert_null(text_copy(NULL));
	assert_int_equal(text_replace(&field, "a"), 0);
	assert_string_equal(field, "a");
	/* Of what it holds itself, too. */
	assert_int_equal(text_replace(&field, field), 0);
	assert_string_equal(field, "a");
	copy = text_copy("b");
	text_set(&field, copy);
	assert_ptr_equal(field, copy);
	assert_int_equal(text_replace(&field, NULL), 0);
	assert_null(field);
	assert_int_equal(text_replace(&field, NULL), 0);
	assert_null(field);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
