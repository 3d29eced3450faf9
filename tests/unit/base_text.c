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

static void
test_utf8(void **state)
{
	static const char *const good[] = { "", "a b\x01\x7f", "\xc3\xa9",
		"\xed\x9f\xbf\xee\x80\x80", "\xef\xbf\xbe", "\xf0\x9f\x98\x80",
		"\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "caf\xe9", "\xc3", "\xc3(",
		"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xed\xb2\xa9",
		"\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
		"\xff", "a\xf0\x9f\x98" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(text_is_utf8(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_is_utf8(bad[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
