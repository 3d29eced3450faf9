/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_attrs_value.c - values of metadata headers, good and bad.
 *
 * Role:    unit test of cache/attrs_value.c, through attrs_read().
 */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/attrs.h"
#include "s3/s3.h"
#include "tests/unit/attrs_one.h"

#define MS INT64_C(1000000)
#define NS INT64_C(1000000000)

static void
check_mode(const char *name, const char *value, int64_t want)
{
	char n[64], v[64];
	struct attrs a;

	strcpy(n, name);
	strcpy(v, value);
	read_one(n, v, &a);
	if (a.has_mode != (want >= 0) || (want >= 0 && a.mode != want))
		print_error("%s: %s is 0%o\n", name, value, a.mode);
	assert_int_equal(a.has_mode, want >= 0);
	if (want >= 0)
		assert_int_equal(a.mode, want);
	/* What is bad is not lost. */
	assert_int_equal(a.other_count, want >= 0 ? 0 : 1);
	attrs_fini(&a);
}

static void
test_mode(void **state)
{
	(void)state;
	check_mode("mode", "33188", 0100644);
	check_mode("mode", "41471", 0120777);
	check_mode("mode", "16877", 0040755);
	check_mode("mode", " 33188 ", 0100644);
	check_mode("mode", "420", 0644);
	check_mode("mode", "0", 0);
	check_mode("mode", "0100644", 0100644);
	check_mode("mode", "0644", 0644);
	check_mode("mode", "100644", 0100644); /* rclone */
	check_mode("mode", "40755", 0040755);
	check_mode("mode", "65535", -1); /* no such type */
	check_mode("mode", "777777", -1);
	check_mode("mode", "", -1);
	check_mode("mode", "-1", -1);
	check_mode("mode", "33188x", -1);
	check_mode("mode", "33188 1", -1);
	check_mode("mode", "99999999999999999999999999", -1);
	check_mode("permissions", "420", 0644);
	check_mode("goog-reserved-posix-mode", "644", 0644);
	check_mode("goog-reserved-posix-mode", "100644", 0100644);
	check_mode("goog-reserved-posix-mode", "648", -1);
	check_mode("file-permissions", "0100644", 0100644);
	check_mode("file-permissions", "100755", 0100755);
	check_mode("file-permissions", "0170000", -1);
}

static void
check_time(const char *name, const char *value, bool good, int64_t want)
{
	char n[64], v[64];
	struct attrs a;

	strcpy(n, name);
	strcpy(v, value);
	read_one(n, v, &a);
	if (a.has_mtime != good || (good && a.mtime_ns != want))
		print_error(
		    "%s: %s is %lld\n", name, value, (long long)a.mtime_ns);
	assert_int_equal(a.has_mtime, good);
	if (good)
		assert_int_equal(a.mtime_ns, want);
	attrs_fini(&a);
}

static void
test_time(void **state)
{
	(void)state;
	check_time("mtime", "0", true, 0);
	check_time("mtime", "1.5", true, 1500 * MS); /* rclone */
	check_time("mtime", "1.", true, NS);
	check_time("mtime", "1.000000005", true, NS + 5);
	check_time("mtime", "1.0000000059", true, NS + 5);
	check_time("mtime", "1354040105.123456789", true,
	    INT64_C(1354040105123456789));
	check_time("mtime", "-1.5", true, -1500 * MS);
	check_time("mtime", "-0.000000001", true, -1);
	check_time("mtime", "9223372036.854775807", true, INT64_MAX);
	check_time("mtime", "-9223372036.854775808", true, INT64_MIN);
	check_time("mtime", "9223372036.854775808", false, 0);
	check_time("mtime", "-9223372036.854775809", false, 0);
	check_time("mtime", "18446744073709551617", false, 0);
	check_time("mtime", "99999999999999999999999", false, 0);
	check_time("mtime", "", false, 0);
	check_time("mtime", "-", false, 0);
	check_time("mtime", ".5", false, 0);
	check_time("mtime", "1.5.5", false, 0);
	check_time("mtime", "1e9", false, 0);
	check_time("mtime", "nan", false, 0);
	check_time("mtime", "5ns", false, 0);
	check_time("goog-reserved-file-mtime", "7", true, 7 * NS);
	check_time("file-mtime", "1595002920000000007ns", true,
	    INT64_C(1595002920000000007));
	check_time("file-mtime", "1595002920007ms", true,
	    INT64_C(1595002920007000000));
	check_time("file-mtime", "3us", true, 3000);
	check_time("file-mtime", "1595002920", true, INT64_C(1595002920) * NS);
	check_time("file-mtime", "1.5s", true, 1500 * MS);
	check_time("file-mtime", "1.5ns", false, 0);
	check_time("file-mtime", "1nss", false, 0);
	check_time("file-mtime", "9223372036854775807ms", false, 0);
}

static void
check_symlink(const char *value, const char *want)
{
	char v[64], n[] = "--symlink-target";
	struct attrs a;

	strcpy(v, value);
	read_one(n, v, &a);
	if (want == NULL)
		assert_null(a.symlink);
	else
		assert_string_equal(a.symlink, want);
	attrs_fini(&a);
}

static void
test_symlink(void **state)
{
	char *big = malloc(8000), n[] = "--symlink-target";
	struct attrs a;

	(void)state;
	check_symlink("../a b", "../a b");
	check_symlink("100%25%c3%A9", "100%\xc3\xa9");
	check_symlink("", NULL);
	check_symlink("a%00b", NULL);
	check_symlink("a%", NULL);
	check_symlink("a%2", NULL);
	check_symlink("a%zz", NULL);
	assert_non_null(big);
	memset(big, 'x', 4095);
	big[4095] = '\0';
	read_one(n, big, &a);
	assert_non_null(a.symlink);
	attrs_fini(&a);
	memset(big, 'x', 4096);
	big[4096] = '\0';
	read_one(n, big, &a);
	assert_null(a.symlink);
	attrs_fini(&a);
	free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_symlink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
