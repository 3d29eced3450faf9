/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_aside.c - names of losers of conflicts, made and read.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "cache/aside.h"
#include "cache/cache.h"
#include "s3/base/buf.h"

#define WHEN_NS INT64_C(1795244889000000000) /* 2026-11-21 07:08:09 */

static void
check(const char *name, const char *what, const char *host)
{
	struct buf made = BUF_INIT(CACHE_NAME_MAX);
	struct aside_name is;

	assert_int_equal(aside_make(name, what, host, WHEN_NS, &made), 0);
	assert_true(aside_parse(buf_str(&made), &is));
	assert_int_equal(is.stem_len, strlen(name));
	assert_memory_equal(buf_str(&made), name, is.stem_len);
	assert_string_equal(is.what, what);
	assert_int_equal(is.host_len, strlen(host));
	assert_memory_equal(is.host, host, is.host_len);
	assert_string_equal(is.time, "20261121T070809Z");
	assert_false(is.is_shortened);
	buf_fini(&made);
}

static void
test_round(void **state)
{
	(void)state;
	check("f", ASIDE_CONFLICT, "host");
	check("f.txt", ASIDE_PARTIAL, "a-b-c.example");
	check(".conflict-", ASIDE_CONFLICT, "h");
	check("a.conflict-h-20200101T000000Z", ASIDE_CONFLICT, "h");
	check("a.conflict-h-20200101T000000Z", ASIDE_PARTIAL, "h");
	check("a.partial-h", ASIDE_CONFLICT, "h");
	check("\303\274 b", ASIDE_CONFLICT, "\303\274");
}

/* The stem loses whole characters, and that is known. */
static void
test_shortened(void **state)
{
	struct buf made = BUF_INIT(CACHE_NAME_MAX);
	char name[CACHE_NAME_MAX + 1];
	struct aside_name is;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(name); i += 2)
		memcpy(name + i, "\303\274", 2);
	name[254] = '\0';
	assert_int_equal(
	    aside_make(name, ASIDE_CONFLICT, "host", WHEN_NS, &made), 0);
	assert_in_range(made.len, 254, 255);
	assert_true(aside_parse(buf_str(&made), &is));
	assert_true(is.is_shortened);
	assert_int_equal(is.stem_len % 2, 0);
	buf_fini(&made);
}

static void
test_others(void **state)
{
	static const char *const names[] = { "", "f", "f.conflict-h",
		"f.conflict-h-20261121T07080Z", "f.conflict-h-20261121T070809",
		"f.conflict--20261121T070809Z", ".conflict-h-20261121T070809Z",
		"f.conflict-20261121T070809Z", "f.others-h-20261121T070809Z",
		"20261121T070809Z", "-20261121T070809Z",
		"fconflict-h-20261121T070809Z", "f.conflict-h-20261121x070809Z",
		"f.conflict-h-20261121T070809Z~" };
	struct aside_name is;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (aside_parse(names[i], &is))
			fail_msg("'%s' is none", names[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_shortened),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
