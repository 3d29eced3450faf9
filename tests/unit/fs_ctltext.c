/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_ctltext.c - numbers as pailctl prints them.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "fs/ctltext.h"

static void
test_sizes(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(ctltext_size(0, text), "0 B");
	assert_string_equal(ctltext_size(1023, text), "1023 B");
	assert_string_equal(ctltext_size(1536, text), "1.5 KiB");
	assert_string_equal(ctltext_size(5 << 20, text), "5.0 MiB");
	assert_string_equal(ctltext_size(INT64_C(3) << 60, text), "3072.0 PiB");
}

static int
marks(const char *bar)
{
	int n = 0;

	for (; *bar != '\0'; bar++)
		n += *bar == '#' ? 1 : 0;
	return n;
}

static void
test_percent(void **state)
{
	(void)state;
	assert_int_equal(ctltext_percent(0, 0), 0);
	assert_int_equal(ctltext_percent(1, 3), 33);
	assert_int_equal(ctltext_percent(-1, 3), 0);
	assert_int_equal(ctltext_percent(4, 3), 100);
}

/* Always of one length; never over its ends. */
static void
test_bar(void **state)
{
	static const struct {
		json_int_t done, all;
		int marks;
		const char *end;
	} cases[] = { { 0, 100, 0, "]   0%" }, { 1, 100, 0, "]   1%" },
		{ 50, 100, 20, "]  50%" }, { 99, 100, 39, "]  99%" },
		{ 100, 100, 40, "] 100%" }, { 120, 100, 40, "] 100%" },
		{ -3, 100, 0, "]   0%" }, { 0, 0, 0, "]   0%" } };
	char text[CTLTEXT_BAR];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *bar =
		    ctltext_bar(cases[i].done, cases[i].all, text);

		assert_int_equal(strlen(bar), 47);
		assert_int_equal(marks(bar), cases[i].marks);
		assert_string_equal(bar + 41, cases[i].end);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_bar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
